"""What a terminal shows in the end."""

from __future__ import annotations

from pathlib import Path

from tests.people.terminal import COLUMNS, run_in_terminal, screen


def test_what_was_overwritten_and_erased_is_not_shown() -> None:
    output = "searching\r\n  trial 1\r\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Ksearched\r\ndone\rD"
    assert screen(output) == ["searched", "Done", ""]


def test_a_command_sees_eighty_columns(tmp_path: Path) -> None:
    told = "import shutil; print(shutil.get_terminal_size().columns)"
    shown = run_in_terminal(["python", "-c", told], tmp_path)
    assert (shown.code, shown.text.strip()) == (0, str(COLUMNS))
    assert 0 < shown.first <= shown.seconds
