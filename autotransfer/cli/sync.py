"""`autotransfer sync`."""

from __future__ import annotations

from dataclasses import asdict

import click

from autotransfer.cli.options import json_option, option, print_json, quiet_optuna


@click.command(short_help="Write to MLflow what could not be written before.")
@click.argument("names", nargs=-1, metavar="[STUDY]...")
@option("--storage", metavar="OPTUNA_URL", help="Storage of the studies.")
@option("--tracking-uri", metavar="URI", help="Where to write; where the fit wrote.")
@json_option
def sync(
    names: tuple[str, ...], storage: str | None, tracking_uri: str | None, *, as_json: bool
) -> int:
    """Write to MLflow what could not be written before; doing it twice changes nothing."""
    from autotransfer.tracking.sync import sync as run

    quiet_optuna()
    found = run(names, storage=storage, tracking_uri=tracking_uri)
    if as_json:
        print_json({"studies": [asdict(synced) for synced in found]})
    for synced in () if as_json else found:
        where = f"run {synced.run_id}" if synced.run_id else "MLflow could not be reached"
        state = "" if synced.finished else ", the fit has not ended"
        click.echo(f"{synced.name}: {synced.trials} trials, {where}{state}")
        if synced.registered:
            click.echo(synced.registered)
    return 0 if all(synced.run_id for synced in found) else 1
