"""Writing files and folders: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotransfer.data.atomic_files import written_whole


def test_a_file_appears_at_the_end_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            assert path.exists() == (text == "second")
        assert path.read_text(encoding="utf-8") == text
        assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def stopped_halfway() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_halfway()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with written_whole(path) as temporary:
        temporary.mkdir()
        (temporary / "a").write_bytes(b"1")
        assert not path.exists()
    assert list(tmp_path.rglob("*")) == [path, path / "a"]


def test_a_folder_that_another_process_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def overtaken() -> None:
        with written_whole(path) as temporary:
            for folder in (temporary, path):
                folder.mkdir()
                (folder / "a").write_text(folder.name, encoding="utf-8")

    with pytest.raises(OSError, match="model"):
        overtaken()
    assert (path / "a").read_text(encoding="utf-8") == "model"
    assert list(tmp_path.iterdir()) == [path]
