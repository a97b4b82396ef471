"""`autotransfer demo`."""

from __future__ import annotations

import click

from autotransfer.cli.options import answer, json_option, option, quiet_optuna, seed_option

TRIALS = 4


@click.command(short_help="Run the main job on handwritten digits, offline.")
@option("--out", default="autotransfer-demo", metavar="DIR", help="Its folder.")
@option("--trials", default=TRIALS, metavar="N", help="Trials; a minute in all.")
@seed_option
@json_option
def demo(out: str, trials: int, seed: int, *, as_json: bool) -> None:
    """Run the main job on handwritten digits: no network, no images of your own."""
    from autotransfer.cli.demo_run import run_demo
    from autotransfer.cli.progress import callbacks, progress_of
    from autotransfer.cli.texts import fit_json, fit_text

    quiet_optuna()
    with progress_of("accuracy", None, trials) as progress:
        record = run_demo(out, trials=trials, seed=seed, **callbacks(progress)).record
    answer(fit_json, fit_text, record, as_json=as_json)
    if not as_json:
        click.echo(f"      autotransfer ui --workspace {out} shows every trial in MLflow")
