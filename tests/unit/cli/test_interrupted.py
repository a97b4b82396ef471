"""How an interrupted fit is continued."""

from __future__ import annotations

import pytest

from autotransfer.cli import resuming


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["fit", "my photos", "--seconds", "9"], "fit 'my photos' --seconds 9"),
        (["fit", "a", "--name", "b", "--json"], "fit a --json"),
        (["fit", "a", "--name=b", "--resume"], "fit a"),
        (
            ["fit", "a", "--storage", "mysql://me:pw@host/db"],
            "fit a --storage 'mysql://***@host/db'",
        ),
    ],
)
def test_the_command_is_the_same_with_the_name_of_the_study_and_without_passwords(
    arguments: list[str], command: str
) -> None:
    assert resuming(arguments, "fit-1") == f"autotransfer {command} --resume --name fit-1"
