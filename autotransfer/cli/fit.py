"""`autotransfer fit`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.options import common, print_json, quiet_optuna, refuse_setting


@click.command()
@click.argument("target")
@click.option("--scenario", help="labelled, unlabelled or zero-shot; told from the target.")
@click.option("--setting", hidden=True, expose_value=False, callback=refuse_setting)
@click.option("--source-data", metavar="PATH", help="Labelled source images.")
@click.option("--unlabelled", metavar="PATH", help="More target images without labels.")
@click.option(
    "--through",
    multiple=True,
    metavar="PATH",
    help="Images between source and target; may be repeated.",
)
@click.option("--attributes", metavar="CSV", help="Classes described by attributes.")
@click.option("--group-column", metavar="NAME", help="Manifest column that names the group.")
@common
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    help="Try only this strategy; may be repeated.",
)
@click.option(
    "--space", default="default", show_default=True, metavar="NAME_OR_FILE", help="Search space."
)
@click.option("--max-sources", type=int, metavar="N", help="Largest size of the shortlist.")
@click.option("--max-mb", type=float, metavar="X", help="Largest size of the result.")
@click.option("--max-ms", type=float, metavar="X", help="Longest time for an image.")
@click.option("--single", is_flag=True, help="Return what reads one source only.")
@click.option("--trials", type=int, metavar="N", help="Number of trials, over all resumes.")
@click.option("--seconds", type=float, metavar="S", help="Time for everything; 600 by default.")
@click.option(
    "--metric",
    default="accuracy",
    show_default=True,
    help="accuracy, balanced_accuracy, f1_macro or log_loss.",
)
@click.option("--class-weights", is_flag=True, help="Weigh classes by their rarity.")
@click.option("--margin", type=float, metavar="X", help="Gap that counts as no difference.")
@click.option("--no-refit", is_flag=True, help="Return the checkpoint of the search.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, gp or random.")
@click.option("--executor", help="inline, processes or ray; processes where --workers is given.")
@click.option("--workers", type=int, metavar="N", help="Number of trials at a time.")
@click.option("--warm-start", is_flag=True, help="Begin with what did well in earlier fits.")
@click.option("--ray-address", metavar="A", help="Address of a Ray cluster.")
@click.option("--storage", metavar="OPTUNA_URL", help="Storage of the study.")
@click.option(
    "--experiment",
    default="autotransfer",
    show_default=True,
    metavar="NAME",
    help="Name of the MLflow experiment.",
)
@click.option("--register", metavar="NAME", help="Register the model in MLflow.")
@click.option("--name", metavar="STUDY", help="Name of the study.")
@click.option("--resume", is_flag=True, help="Continue the study of that name, or start it.")
@click.option("--out", metavar="DIR", help="Folder of the result.")
@click.option("--audit-labels", metavar="N_OR_CSV", help="Labels to ask for, or the filled table.")
@click.option(
    "--on-bad-image", default="stop", show_default=True, help="stop, or skip bad images."
)
@click.option("--memory", type=float, metavar="GB", help="Memory that trials may plan for.")
def fit(target: str, **options: Any) -> None:
    """Find what to transfer to TARGET, train it, and test whether it helped.

    TARGET is a folder of class folders, an archive of one, a CSV or Parquet manifest, an .npz
    file, or an fsspec URL of these. An .npz file with labels y and an (n, d) matrix under the
    name of each source is fitted without images; the matrix "baseline" uses no source.
    """
    as_json = options.pop("as_json")

    from autotransfer.cli.matrices import run_features
    from autotransfer.cli.progress import callbacks, progress_of
    from autotransfer.cli.texts import fit_json, fit_text
    from autotransfer.models.precomputed_features import read_matrices
    from autotransfer.orchestrator import fit as run
    from autotransfer.scenarios.options import Budget, budget_of, read_options

    quiet_optuna()
    trials, seconds = options.pop("trials"), options.pop("seconds")
    budget = None if trials is None and seconds is None else Budget(trials, seconds)
    options |= {
        "budget": budget,
        "refit": not options.pop("no_refit"),
        "class_weights": "balanced" if options.pop("class_weights") else None,
        "sources": options.pop("sources") or None,
    }
    matrices = read_matrices(target)
    limit = budget_of(read_options(options)).seconds
    with progress_of(options["metric"], limit) as progress:
        options |= callbacks(progress)
        selection = run(target, **options) if matrices is None else run_features(matrices, options)
    if as_json:
        print_json(fit_json(selection.record))
    else:
        click.echo(fit_text(selection.record))
