"""Options that take one of a few words: checked at once, completed by the shell."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from autotransfer.errors import UnknownNameError

METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss")
SAMPLERS = ("tpe", "gp", "random")
EXECUTORS = ("inline", "processes", "ray")
SCENARIOS = ("labelled", "unlabelled", "zero-shot")
BAD_IMAGE_RULES = ("stop", "skip")
DEVICES = ("auto", "cpu", "cuda")
DEFAULT_SETS = ("tiny", "small", "base")
SPACES = ("default", "quick", "thorough")


class Word(click.ParamType):  # type: ignore[type-arg]  # older ones are not generic
    """A text that the shell completes from a few words.

    Args:
        name: What the word is, in the singular; stands in the error.
        words: Those that there are.
        closed: Whether any other word is refused before anything is loaded.
    """

    def __init__(self, name: str, words: tuple[str, ...], *, closed: bool = True) -> None:
        self.name, self.words, self.closed = name, words, closed

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word.

        Raises:
            UnknownNameError: If there is no such word, with the one that was meant.
        """
        if self.closed and value not in self.words:
            raise UnknownNameError(self.name, value, self.words)
        return str(value)

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the words that begin as what was typed."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return "TEXT", as without a type of its own; the help names the words."""
        return "TEXT"
