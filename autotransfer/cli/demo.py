"""`autotransfer demo`."""

from __future__ import annotations

import click

from autotransfer.cli.options import json_option, print_json, quiet_optuna


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
    """Run the main job on handwritten digits: no network, no images of your own."""
    from autotransfer.cli.demo_run import run_demo
    from autotransfer.cli.progress import callbacks, progress_of
    from autotransfer.cli.texts import fit_json, fit_text

    quiet_optuna()
    with progress_of("accuracy", seconds) as progress:
        record = run_demo(out, seconds=seconds, seed=seed, **callbacks(progress)).record
    if as_json:
        print_json(fit_json(record))
    else:
        click.echo(fit_text(record))
        click.echo(f"      autotransfer ui --workspace {out} shows every trial in MLflow")
