"""What several commands share: options, and how they print what they found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from autotransfer.cli.words import BAD_IMAGE_RULES, DEFAULT_SETS, DEVICES, Word

Command = TypeVar("Command", bound=Callable[..., Any])

option = partial(click.option, show_default=True)
device_words = Word("device", DEVICES, closed=False)


def several(flag: str, name: str, metavar: str, meaning: str) -> Callable[[Command], Command]:
    """Return an option that may be repeated."""
    told = f"{meaning}; may be repeated."
    return click.option(flag, name, multiple=True, metavar=metavar, help=told)


plugin_option = several(
    "--plugin", "plugins", "FILE", "A Python file with a plugin or with architectures"
)
seed_option = option("--seed", default=0, help="Seeds all that is random.")
json_option = option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)
cpu_option = option(
    "--device", default="cpu", type=device_words, help="auto, cpu, cuda or cuda:N."
)
workspace_option = option("--workspace", default=".", metavar="DIR", help="Of the fits.")
attributes_option = option("--attributes", metavar="CSV", help="Classes described by attributes.")
descriptions_option = option(
    "--descriptions", metavar="CSV", help="Classes described by a sentence each."
)
max_sources_option = option(
    "--max-sources", type=int, metavar="N", help="Largest size of the shortlist."
)
bad_image_option = option(
    "--on-bad-image",
    default="stop",
    type=Word("rule", BAD_IMAGE_RULES, closed=False),
    help="stop, or skip bad images.",
)


def common(command: Command) -> Command:
    """Add the options that every command about sources has."""
    sources = (
        "tiny, small, base, a catalogue, a timm name, an earlier fit or models:/NAME@champion."
    )
    for add in (
        json_option,
        seed_option,
        option("--device", default="auto", type=device_words, help="auto, cpu, cuda or cuda:N."),
        plugin_option,
        option("--tracking-uri", metavar="URI", help="MLflow: its models, and where fits write."),
        option(
            "--license",
            metavar="NAMES",
            type=Word("licence", ("any", "permissive"), closed=False),
            help="Licences of sources: any, permissive, or names with commas; any is the default.",
        ),
        several("--source", "source", "NAME", "Keep only this source"),
        option(
            "--sources",
            multiple=True,
            metavar="FILE_OR_NAME",
            type=Word("source", DEFAULT_SETS, closed=False),
            help=sources,
        ),
    ):
        command = add(command)
    return command


def answer(
    to_json: Callable[..., Any], to_text: Callable[..., str], *found: Any, as_json: bool
) -> None:
    """Print what was found: one JSON object, or a text for people."""
    if as_json:
        print_json(to_json(*found))
    else:
        click.echo(to_text(*found))


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def picked(found: Any, *names: str) -> dict[str, Any]:
    """Return attributes under their own names, as JSON takes them."""
    values = {name: getattr(found, name) for name in names}
    return {n: dict(v) if isinstance(v, Mapping) else v for n, v in values.items()}


def starting(doing: str) -> None:
    """Say what begins, before the libraries are loaded: that takes some seconds."""
    say(f"{doing} (loading PyTorch first)")


def say(text: str) -> None:
    """Print progress on standard error."""
    click.echo(text, err=True)


def quiet_optuna() -> None:
    """Keep the logs of Optuna and MLflow off the terminal."""
    import logging

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in ("mlflow", "alembic", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
