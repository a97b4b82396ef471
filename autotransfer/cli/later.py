"""Commands of later versions: each says so instead of doing half a job."""

from __future__ import annotations

import click

from autotransfer.errors import NotYetAvailableError

_NAMES = {
    "ui": "Open the MLflow page of the workspace.",
    "doctor": "Check the environment.",
}


def _command(name: str, help_text: str) -> click.Command:
    @click.command(
        name,
        help=f"{help_text} (not yet available)",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def later() -> None:
        raise NotYetAvailableError(f"the command {name!r}")

    return later


LATER = tuple(_command(name, text) for name, text in _NAMES.items())
