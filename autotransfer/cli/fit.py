"""`autotransfer fit`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.early import refuse_early
from autotransfer.cli.groups import GroupedCommand
from autotransfer.cli.options import (
    answer,
    attributes_option,
    bad_image_option,
    common,
    descriptions_option,
    max_sources_option,
    option,
    quiet_optuna,
    say,
    several,
    starting,
)
from autotransfer.cli.words import EXECUTORS, METRICS, SAMPLERS, SCENARIOS, SPACES, Word


def _refuse_setting(_context: click.Context, _parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        raise click.UsageError(
            "--setting is now called --scenario; it takes labelled, unlabelled or zero-shot"
        )


@click.command(
    cls=GroupedCommand, short_help="Find what to transfer to TARGET, train it and test it."
)
@click.argument("target")
@option(
    "--scenario",
    type=Word("scenario", SCENARIOS, closed=False),
    help="labelled, unlabelled or zero-shot; told from the target.",
)
@option("--setting", hidden=True, expose_value=False, callback=_refuse_setting)
@option("--source-data", metavar="PATH", help="Labelled source images.")
@several("--class", "classes", "NAME", "Keep only this class of the source data")
@option("--unlabelled", metavar="PATH", help="More target images without labels.")
@several("--labels", "labels", "CSV", "Labels of images without, as `label` asks for them")
@several("--new-class", "new_classes", "NAME", "A class of these tables that TARGET has not")
@several("--through", "through", "PATH", "Images between source and target")
@attributes_option
@descriptions_option
@option("--modality", metavar="NAME", help="image, text, sound, or a kind of a plugin.")
@option("--group-column", metavar="NAME", help="Manifest column that names the group.")
@option("--domain-column", metavar="NAME", help="Leave out each domain; :folder: top folders.")
@common
@several("--strategy", "strategies", "NAME", "Try only this strategy")
@option(
    "--space",
    default="default",
    metavar="NAME_OR_FILE",
    type=Word("space", SPACES, closed=False),
    help="Search space.",
)
@max_sources_option
@option("--max-mb", type=float, metavar="X", help="Largest size of the result in megabytes.")
@option("--max-ms", type=float, metavar="X", help="Longest time for an image.")
@option("--single", is_flag=True, help="Return what reads one source only.")
@option("--budget", metavar="B", help="10m, 90s, 2h or '40 trials', in place of the next two.")
@option(
    "--trials", type=int, metavar="N", help="Number of trials, over all resumes; no time limit."
)
@option(
    "--seconds", type=float, metavar="S", help="Time for everything; 600 unless --trials is given."
)
@option(
    "--metric",
    default="accuracy",
    type=Word("metric", METRICS),
    help="accuracy, balanced_accuracy, f1_macro or log_loss.",
)
@option("--class-weights", is_flag=True, help="Weigh classes by their rarity.")
@option(
    "--margin", type=float, metavar="X", help="Gap that counts as no difference: 0.02 is 2 points."
)
@option("--no-report", is_flag=True, help="Write no report.html.")
@option("--no-refit", is_flag=True, help="Return the checkpoint of the search.")
@option("--sampler", default="tpe", type=Word("sampler", SAMPLERS), help="tpe, gp or random.")
@option(
    "--executor",
    type=Word("executor", EXECUTORS),
    help="inline, processes or ray; processes where --workers is given.",
)
@option("--workers", type=int, metavar="N", help="Number of trials at a time.")
@option("--warm-start", is_flag=True, help="Begin with what did well in earlier fits.")
@option("--ray-address", metavar="A", help="Address of a Ray cluster.")
@option("--storage", metavar="OPTUNA_URL", help="Storage of the study.")
@option(
    "--experiment", default="autotransfer", metavar="NAME", help="Name of the MLflow experiment."
)
@option("--keep-searching", is_flag=True, help="Search to the end of the time in any case.")
@option("--register", metavar="NAME", help="Register the model in MLflow.")
@option("--promote", is_flag=True, help="Make it the champion in any case.")
@option("--name", metavar="STUDY", help="Name of the study.")
@option("--resume", is_flag=True, help="Continue the study of that name, or start it.")
@option("--workspace", metavar="DIR", help="Folder of studies and MLflow; here by default.")
@option("--out", metavar="DIR", help="Folder of the result.")
@option("--audit-labels", metavar="N_OR_CSV", help="Labels to ask for, or the filled table.")
@bad_image_option
@option("--memory", type=float, metavar="GB", help="Memory that trials may plan for.")
def fit(target: str, **options: Any) -> None:
    """Find what to transfer to TARGET, train it, and test whether it helped.

    TARGET is a folder of class folders, an archive of one, a manifest (.csv, .tsv, .jsonl or
    .parquet) of images or texts, an .npz file, or an fsspec URL of these. An .npz file with labels
    y and an (n, d) matrix under the name of each source is fitted without images; the matrix
    "baseline" uses no source.
    """
    as_json = options.pop("as_json")
    refuse_early(target, options)
    starting(f"opening {target}")

    from autotransfer.cli.matrices import run_features
    from autotransfer.cli.progress import callbacks, progress_of
    from autotransfer.cli.texts import fit_json, fit_text
    from autotransfer.errors import InterruptedFitError
    from autotransfer.models.precomputed_features import read_matrices
    from autotransfer.orchestrator import fit as run
    from autotransfer.scenarios.options import budget_of, read_options

    quiet_optuna()
    options |= {
        "began": click.get_current_context().obj,
        "refit": not options.pop("no_refit"),
        "report": not options.pop("no_report"),
        "class_weights": "balanced" if options.pop("class_weights") else None,
        "sources": options.pop("sources") or None,
    }
    matrices = read_matrices(target)
    limit = budget_of(read_options(options))
    try:
        with progress_of(options["metric"], limit.seconds, limit.trials) as progress:
            options |= callbacks(progress)
            found = run(target, **options) if matrices is None else run_features(matrices, options)
    except InterruptedFitError as stop:
        if stop.selection is not None:
            answer(fit_json, fit_text, stop.selection.record, as_json=as_json)
        raise
    answer(fit_json, fit_text, found.record, as_json=as_json)
    if found.registered:
        say(found.registered)
