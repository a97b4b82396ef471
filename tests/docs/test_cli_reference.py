"""The page of the command line is what the commands say."""

from __future__ import annotations

import click
import pytest

from autotransfer.cli import cli
from tests.docs.blocks import DOCS, writer

PAGE = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")


def test_the_page_is_not_stale() -> None:
    assert writer("write_cli_reference").cli_page() == PAGE, (
        "run: python docs/write_cli_reference.py"
    )


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_option_of_a_command_is_on_the_page(name: str) -> None:
    section = PAGE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
    for parameter in cli.commands[name].params:
        if getattr(parameter, "hidden", False):
            continue
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section
