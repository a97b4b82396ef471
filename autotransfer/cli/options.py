"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def refuse_setting(_context: click.Context, _parameter: click.Parameter, value: Any) -> None:
    """Refuse the former name of --scenario.

    Raises:
        UsageError: If it was given.
    """
    if value is not None:
        raise click.UsageError(
            "--setting is now called --scenario; it takes labelled, unlabelled or zero-shot"
        )


def common(command: Command) -> Command:
    """Add the options that every command about sources has."""
    for option in reversed(
        [
            click.option(
                "--sources",
                "sources",
                multiple=True,
                metavar="FILE_OR_NAME",
                help="tiny, small, base, a catalogue, a timm name, an earlier fit or "
                "models:/NAME@champion.",
            ),
            click.option(
                "--source",
                "only_sources",
                multiple=True,
                metavar="NAME",
                help="Keep only this source; may be repeated.",
            ),
            click.option(
                "--tracking-uri", metavar="URI", help="MLflow: its models, and where fits write."
            ),
            plugin_option,
            device_option,
            click.option(
                "--seed", type=int, default=0, show_default=True, help="Seeds all that is random."
            ),
            json_option,
        ]
    ):
        command = option(command)
    return command


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="A Python file with a plugin or with architectures; may be repeated.",
)
device_option = click.option("--device", default="auto", show_default=True, help="cpu or cuda.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """Print progress on standard error."""
    click.echo(text, err=True)


def quiet_optuna() -> None:
    """Keep the logs of Optuna and MLflow off the terminal."""
    import logging

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
