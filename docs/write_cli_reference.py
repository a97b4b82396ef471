"""Write docs/reference/cli.md from the commands themselves: `python docs/write_cli_reference.py`.

A test compares the page with what this script would write, so it cannot go stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from autotransfer.cli import BAD_INPUT, INTERRUPTED, NOTHING_FINISHED, cli

PAGE = Path(__file__).with_name("reference") / "cli.md"
_HEAD = f"""# Command line

Written by `docs/write_cli_reference.py` from the commands; do not edit it by hand.
`autotransfer COMMAND --help` says the same.

Exit codes: 0 done (also when the verdict is negative), {BAD_INPUT} bad input, or something broken
that a check has found, {NOTHING_FINISHED} nothing finished within the budget, {INTERRUPTED}
interrupted. With `--json` standard output has one JSON object and nothing else; progress goes to
standard error. An option that is not available in this version yet says so when it is given.

`eval "$(_AUTOTRANSFER_COMPLETE=bash_source autotransfer)"` in `.bashrc` (`zsh_source` in `.zshrc`)
completes commands, options and their values.
"""


def cli_page() -> str:
    """Return the page."""
    return "\n".join(
        [_HEAD, *(_command(name, cli.commands[name]) for name in sorted(cli.commands))]
    )


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"autotransfer {name}", **cli.context_settings)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", f"`{usage}`", "", *_paragraphs(command.help or "")]
    rows = list(_rows(command, context))
    if rows:
        lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""


def _rows(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            record = parameter.get_help_record(context)
            if record is not None:
                names, meaning = (" ".join(part.split()).replace("|", "\\|") for part in record)
                yield f"| `{names}` | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(cli_page(), encoding="utf-8")
