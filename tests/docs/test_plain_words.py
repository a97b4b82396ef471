"""Help, errors and pages are in plain words: short sentences, no hype, no empty ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from autotransfer.cli import cli
from tests.docs.blocks import PAGES, ROOT, name_of

# words that sell or say nothing; a plainer one, or none, does
BANNED = re.compile(
    r"\b(leverag(?:es|ed|ing)|utili[sz]\w+|seamless\w*|powerful|effortless\w*|blazing\w*|cutting-edge|"
    r"state-of-the-art|revolutionary|supercharge\w*|simply|obviously|easily|of course|"
    r"best-in-class|world-class|game-chang\w+|user-friendly|in order to|delve|please)\b",
    flags=re.IGNORECASE,
)
LONGEST_SENTENCE = 35  # words of a sentence in a help text
LONGEST_HELP = 100  # characters of the help of an option
LONGEST_ERROR = 60  # words of one error message
MODULES = sorted((ROOT / "autotransfer").rglob("*.py"))
OPTIONS = [
    pytest.param(parameter, id=f"{name} {parameter.opts[0]}")
    for name, command in sorted(cli.commands.items())
    for parameter in command.params
    if not getattr(parameter, "hidden", False)
    if isinstance(parameter, click.Option)
]


def _prose(text: str) -> str:
    """Return a page without its code, its tables and its quotations of names."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", "code", text)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_a_short_help_that_ends_like_a_sentence(option: click.Option) -> None:
    assert option.help, option.opts[0]
    assert option.help.endswith("."), option.help
    assert len(option.help) <= LONGEST_HELP, option.help
    assert not BANNED.search(option.help), option.help


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_says_what_it_does_in_short_sentences(name: str) -> None:
    text = cli.commands[name].help or ""
    assert text.strip()
    assert not BANNED.search(text)
    for sentence in re.split(r"(?<=[.?!:;])\s+", text):
        assert len(sentence.split()) <= LONGEST_SENTENCE, sentence


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_pages_use_plain_words(page: Path) -> None:
    found = BANNED.findall(_prose(page.read_text(encoding="utf-8")))
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_write_per_cent_as_the_messages_do(page: Path) -> None:
    assert not re.findall(r".*\d%(?!\d).*", page.read_text(encoding="utf-8"))


def test_messages_have_a_blank_before_the_per_cent_sign() -> None:
    for path in [*MODULES, *(ROOT / "plugins").rglob("*.py")]:
        assert not re.search(r":\.\d%\}", path.read_text(encoding="utf-8")), path


def _messages() -> Iterator[tuple[Path, str]]:
    """Yield the literal parts of what is raised in the package."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                for argument in node.exc.args:
                    if isinstance(argument, ast.JoinedStr | ast.Constant):
                        yield path, _literal(argument)


def _literal(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
    )


def test_errors_are_short_and_in_plain_words() -> None:
    found = list(_messages())
    assert len(found) > 100  # the search itself works
    for path, message in found:
        assert not BANNED.search(message), (path.name, message)
        assert len(message.split()) <= LONGEST_ERROR, (path.name, message)
        assert not message.endswith("!"), (path.name, message)


def test_a_banned_word_would_be_found() -> None:
    assert BANNED.findall(_prose("A powerful tool.\n\n`simply` is code.")) == ["powerful"]
