"""Commands as the help shows them: options in groups, lines as wide as the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence

import click
from typing_extensions import override

_JOINED = "\N{NO-BREAK SPACE}"  # where a line is not broken

# The groups of options, in the order of the help, and which are in each.
GROUPS: Mapping[str, Sequence[str]] = {
    "Target": (
        "scenario", "source_data", "classes", "unlabelled", "count", "labels", "new_classes",
        "worth", "through", "attributes", "descriptions", "group_column", "domain_column",
        "modality", "audit_labels", "on_bad_image",
    ),
    "Sources": ("sources", "source", "license", "max_sources", "max_mb", "max_ms", "plugins"),
    "Search": (
        "strategies", "space", "estimators", "no_racing", "budget", "trials", "seconds",
        "keep_searching", "metric", "class_weights", "single", "no_refit", "sampler",
        "warm_start", "seed",
    ),
    "Guard": ("margin",),
    "Compute": ("device", "memory", "executor", "workers", "ray_address"),
    "Output": (
        "workspace", "name", "out", "resume", "storage", "tracking_uri", "experiment", "register",
        "promote", "no_report", "as_json",
    ),
}  # fmt: skip
_FROM = 10  # options of a command whose help is divided


class GroupedCommand(click.Command):
    """A command whose many options stand in groups."""

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of a group together."""
        if sum(isinstance(parameter, click.Option) for parameter in self.params) < _FROM:
            super().format_options(ctx, formatter)
            return
        records = {
            str(parameter.name): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(ctx)) is not None
        }
        grouped = {
            title: [records.pop(name) for name in names if name in records]
            for title, names in GROUPS.items()
        }
        grouped["Other"] = list(records.values())
        for title, rows in grouped.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def filled(text: str, first: str = "", rest: str | None = None, *, less: int = 0) -> list[str]:
    """Return a text as lines of the terminal's width; a number stays beside its per cent sign.

    Args:
        text: One paragraph.
        first: What its first line begins with.
        rest: What the others begin with; None is the same.
        less: Characters by which all lines are shorter.
    """
    lines = textwrap.wrap(
        text.replace(" %", f"{_JOINED}%"), text_width() - less,
        initial_indent=first, subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,  # of options and of names
    )  # fmt: skip
    return [line.replace(_JOINED, " ") for line in lines]


def titled(title: str, text: str) -> list[str]:
    """Return a text beside its title, as lines of the terminal's width."""
    first, *rest = filled(text, less=12) or [""]
    return [f"  {title:<10}{first}", *(f"            {line}" for line in rest)]


def text_width() -> int:
    """Return the characters of a line: of the terminal, 80 without one, at most 100."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 100))
