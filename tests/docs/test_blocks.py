"""Every code block is at least parsed: commands by the real command line, TOML, Python."""

from __future__ import annotations

import ast
import csv
import io
import re
import tomllib
from pathlib import Path

import click
import pytest

from autotransfer.cli import cli
from tests.docs.blocks import PAGES, ROOT, blocks, name_of

LANGUAGES = {"python", "console", "bash", "toml", "csv", "text"}
DIRECTIVES = {"{toctree}", "{eval-rst}", "{include}"}
# programs that the pages use beside autotransfer
OTHERS = {"make", "mlflow", "pip", "pytest", ".", "cd"}


def _parse(words: list[str]) -> None:
    """Parse a command without running it; what is wrong raises a click exception."""
    command = cli.commands[words[1]]
    command.make_context(words[1], words[2:], resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_its_language(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= LANGUAGES | DIRECTIVES


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_one_that_the_command_line_takes(page: Path) -> None:
    for block in blocks(page):
        if block.language not in ("console", "bash"):
            continue
        for words in block.commands():
            if words[0] == "autotransfer":
                _parse(words)
            else:
                assert words[0] in OTHERS, words
            if words[0] == "make":
                makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
                assert re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE), words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_other_block_is_valid_in_its_language(page: Path) -> None:
    for block in blocks(page):
        match block.language:
            case "python":
                ast.parse(block.text)
            case "toml":
                assert tomllib.loads(block.text)
            case "csv":
                widths = {len(row) for row in csv.reader(io.StringIO(block.text))}
                assert len(widths) == 1


def test_an_option_that_does_not_exist_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        _parse(["autotransfer", "fit", "photos/", "--no-such-option"])


def test_inline_options_of_the_pages_exist() -> None:
    known = {
        name
        for command in cli.commands.values()
        for parameter in command.params
        for name in parameter.opts
    } | {"--help", "--version"}
    foreign = {"--seeds", "--backend-store-uri"}  # of benchmarks and of mlflow
    for page in PAGES:
        for span in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
            if span.startswith(("tests/", "python ")):
                continue
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span):
                assert option in known | foreign, (page.name, span)
