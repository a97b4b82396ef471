"""The page of the command line is what the commands say."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import click
import pytest

from autotransfer.cli import cli
from tests.docs.blocks import DOCS

PAGE = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")


def _writer() -> ModuleType:
    path = DOCS / "write_cli_reference.py"
    spec = importlib.util.spec_from_file_location("write_cli_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_not_stale() -> None:
    assert _writer().cli_page() == PAGE, "run: python docs/write_cli_reference.py"


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_option_of_a_command_is_on_the_page(name: str) -> None:
    section = PAGE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
    for parameter in cli.commands[name].params:
        if getattr(parameter, "hidden", False):
            continue
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section
