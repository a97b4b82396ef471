"""`autotransfer demo`."""

from __future__ import annotations

import click

from autotransfer.cli.options import json_option, print_json, quiet_optuna, say


@click.command()
@click.option(
    "--out", default="autotransfer-demo", show_default=True, metavar="DIR", help="Its folder."
)
@click.option(
    "--seconds", type=float, default=90.0, show_default=True, metavar="S", help="Time of the fit."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seeds all that is random.")
@json_option
def demo(out: str, seconds: float, seed: int, *, as_json: bool) -> None:
    """Run the main job on handwritten digits: no network, no pictures of your own."""
    from autotransfer.cli.texts import fit_json, fit_text
    from autotransfer.demo import run_demo

    quiet_optuna()
    record = run_demo(out, seconds=seconds, seed=seed, say=say).record
    if as_json:
        print_json(fit_json(record))
    else:
        click.echo(fit_text(record))
