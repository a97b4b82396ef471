"""How an interrupted fit is continued."""

from __future__ import annotations

from typing import Any

import click
import pytest

import autotransfer.cli as module
from autotransfer.cli import resuming, run
from autotransfer.errors import InterruptedFitError


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


def test_only_a_command_that_can_be_resumed_is_said_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise click.Abort from InterruptedFitError("digits-1")

    monkeypatch.setattr(module.cli, "main", interrupted)
    for arguments, said in (
        (["demo", "--out", "d"], ""),
        (["fit", "a"], "; to go on: autotransfer fit a --resume --name digits-1"),
    ):
        assert run(arguments) == 130
        assert capsys.readouterr().err == f"autotransfer: interrupted{said}\n"
