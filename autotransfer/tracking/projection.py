"""What a record looks like in MLflow: pure functions from records to names and values."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autotransfer.data.csv_cells import csv_text
from autotransfer.masking import masked
from autotransfer.models.metrics import METRICS
from autotransfer.plugin.space import study_name
from autotransfer.results import Interval, OpenWorld, Outcome, Ranking, Record, State
from autotransfer.shares import sources_told

PARENT_TAG = "mlflow.parentRunId"
NUMBER_TAG = "autotransfer.number"
FIT_TAG = "autotransfer.fit"  # known before the run: what a killed fit has begun is found again
SOURCE_TAGS = {"mlflow.source.name": "autotransfer", "mlflow.source.type": "LOCAL"}

NAME_LENGTH = 80  # characters of a strategy or a source in the name of a run
KEY_LENGTH = 200  # below the 250 that MLflow takes
VALUE_LENGTH = 500  # what servers since 1.28 take as the value of a parameter


class Figure(NamedTuple):
    """One point of an MLflow metric.

    Args:
        name: Name of the metric; what stands before "/" is its chart section.
        value: The figure; only finite ones are written.
        step: Place on the horizontal axis.
        seconds: Time since the run started, or since now.
    """

    name: str
    value: float
    step: int = 0
    seconds: float = 0.0


def key(text: str) -> str:
    """Return a name that MLflow takes as part of a key: no slash, no character it refuses."""
    return re.sub(r"[^\w.\- ]", "_", text).strip(". ")[:KEY_LENGTH] or "_"


def one_line(text: object, length: int = VALUE_LENGTH) -> str:
    """Return the text on one line without secrets, cut to `length` characters."""
    line = " ".join(masked(str(text)).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def run_name(outcome: Outcome) -> str:
    """Return "fine-tune 2 of 5 stages, vit_small (trial 7)", on one line."""
    layers, how = outcome.layers, ""
    if layers is not None:
        tuned = f"{layers.tuned} of {layers.stage} stages"
        how = f" {tuned}" if layers.tuned else f" at stage {layers.stage}"
    strategy, source = (one_line(text, NAME_LENGTH) for text in (outcome.strategy, outcome.source))
    return f"{strategy}{how}, {source} ({outcome.title})"


def outcome_params(outcome: Outcome) -> dict[str, str]:
    """Return source, strategy and parameters, under the names that the study has for them."""
    params = {"source": outcome.source, "strategy": outcome.strategy}
    for name, value in outcome.params.items():
        params[key(study_name(name, outcome.strategy))] = str(value)
    return {name: one_line(value) for name, value in params.items()}


def outcome_figures(outcome: Outcome, metric: str) -> tuple[Figure, ...]:
    """Return the scores of a trial, as people read them, and its seconds."""
    figures = [Figure("seconds", outcome.seconds)]
    figures += [Figure(f"rung/{metric}", shown(v, metric), step) for step, v in outcome.rungs]
    figures += [
        Figure(f"fold/{metric}", shown(value, metric), fold)
        for fold, value in enumerate(outcome.fold_values)
    ]
    scores = {}
    if outcome.value is not None:
        scores[f"val/{metric}"] = shown(outcome.value, metric)
    if outcome.log_loss is not None:  # the same figure where log loss is what is searched for
        scores["val/log_loss"] = outcome.log_loss
    figures += [Figure(name, value) for name, value in scores.items()]
    figures += [Figure(f"validator/{key(n)}", v) for n, v in outcome.validators.items()]
    return _finite(figures)


def outcome_tags(outcome: Outcome, parent: str) -> dict[str, str]:
    """Return how the trial ended, and what ties it to its fit."""
    tags = {
        **SOURCE_TAGS,
        PARENT_TAG: parent,
        NUMBER_TAG: str(outcome.number),
        "state": str(outcome.state),
        "source": one_line(outcome.source),
        "strategy": one_line(outcome.strategy),
    }
    if outcome.reason:
        tags["reason"] = one_line(outcome.reason)
    if outcome.remarks:
        tags["remarks"] = one_line("; ".join(outcome.remarks))
    if outcome.layers is not None:
        layers = outcome.layers
        tags["layers"] = f"stage {layers.stage}, copied {layers.copied}, tuned {layers.tuned}"
    return tags


def record_figures(record: Record) -> tuple[Figure, ...]:
    """Return verdict, baselines, counts and seconds of a fit."""
    verdict, metric = record.verdict, record.metric
    figures = [
        *_interval(f"test/{metric}", verdict.test, metric),
        *_interval("gap/baseline", verdict.gap),
        *_interval("gap/reference", verdict.gap_reference),
        *_unknown(record.open_world),
    ]
    scores = {
        "test/returned": verdict.returned_test,
        **{f"baseline/{key(baseline.name)}": baseline.test for baseline in verdict.baselines},
        **{f"domain/{key(domain.name)}": domain.test for domain in verdict.domains},
        f"val/{metric}": record.finalist.value,
    }
    figures += [
        Figure(n, shown(value, metric)) for n, value in scores.items() if value is not None
    ]
    evidence = {
        "gap/minimum_detectable": verdict.minimum_detectable,
        "test/optimism": verdict.optimism,
        "test/calibration_error": verdict.calibration_error,
        "gap/mcnemar": verdict.mcnemar,
        "gap/competition_bound": verdict.competition_bound,
    }
    figures += [Figure(name, value) for name, value in evidence.items() if value is not None]
    counts = Counter(outcome.state for outcome in record.outcomes if not outcome.probe)
    figures.append(Figure("probes", sum(outcome.probe for outcome in record.outcomes)))
    figures += [Figure(f"trials/{state}", counts[state]) for state in State]
    figures += [Figure(f"seconds/{part}", s) for part, s in vars(record.seconds).items()]
    return _finite(figures)


def model_figures(record: Record) -> tuple[Figure, ...]:
    """Return those figures that are about what is returned: held-out, validation, the gap."""
    about = ("test/", "val/", "gap/")
    return tuple(f for f in record_figures(record) if f.name.startswith(about))


def best_so_far(record: Record) -> tuple[Figure, ...]:
    """Return the best score after each trial, and the seconds spent until then.

    The times come from the outcomes alone, so writing the curve again adds no points.
    """
    figures: list[Figure] = []
    best, spent = -math.inf, 0.0
    probes = sum(outcome.probe for outcome in record.outcomes)
    for outcome in record.outcomes:
        step = -outcome.number - 1 if outcome.probe else outcome.number + probes
        spent = max(spent, outcome.elapsed) if outcome.elapsed else spent + outcome.seconds
        figures.append(Figure("spent/seconds", spent, step, spent))
        best = max(best, -math.inf if outcome.value is None else outcome.value)
        score = shown(best, record.metric)
        figures.append(Figure(f"best/val_{record.metric}", score, step, spent))
    return _finite(figures)


def probes_csv(outcomes: Sequence[Outcome], metric: str) -> str:
    """Return every probe as a table, one row each."""
    head = ["probe", "source", "strategy", "state", metric, "log_loss", "seconds", "params"]
    rows = [
        [
            *(-outcome.number, one_line(outcome.source), outcome.strategy, outcome.state),
            "" if outcome.value is None else shown(outcome.value, metric),
            "" if outcome.log_loss is None else outcome.log_loss,
            *(outcome.seconds, json.dumps(dict(outcome.params))),
        ]
        for outcome in outcomes
        if outcome.probe
    ]
    return csv_text([head, *rows], "\n")


def record_tags(record: Record) -> dict[str, str]:
    """Return verdict, finalist and provenance: what one filters the list of fits by."""
    tags = {
        "verdict": str(record.verdict.decision),
        "basis": record.verdict.basis,
        "returned": record.verdict.returned,
        "source": sources_told(record),
        "strategy": record.finalist.strategy,
        "finalist": str(record.finalist.number),
    }
    if record.members:
        tags["members"] = ", ".join(f"{m.weight:.2f} {m.told}" for m in record.chosen)
    tags |= {f"provenance.{key(name)}": value for name, value in record.provenance.items()}
    return {name: one_line(value) for name, value in tags.items()}


def ranking_csv(ranking: Ranking) -> str:
    """Return the ranking as a table, one row a source and one column an estimator."""
    estimators = sorted({name for row in ranking.rows for name in row.estimators})
    plain = ("rank", "rank_low", "rank_high", "score", "stage", "seconds", "megabytes",
             "num_images")  # fmt: skip
    rows: list[list[object]] = [["source", "shortlist", *plain, *estimators]]
    for row in ranking.rows:
        values = [getattr(row, name) for name in plain]
        scores = [row.estimators.get(name, "") for name in estimators]
        chosen = "yes" if row.source in ranking.shortlist else "no"
        rows.append([one_line(row.source), chosen, *values, *scores])
    return csv_text(rows, "\n")


def view_state(metric: str) -> str:
    """Return the columns and the order that MLflow's experiment page opens with.

    The newest fit comes first, with its trials folded below it: MLflow nests runs in the order of
    time alone, and in any other order a trial stands above the fit that it is part of. Verdict,
    tested and validation score and source come first, in columns so narrow that they are seen
    beside MLflow's own panels on 1440 pixels; of itself it shows metrics first, then tags.

    MLflow keeps such a state under the tag `mlflow.sharedViewState.<key>` for its own "share"
    button, and says in a banner that the view is shared. What else was tried with 3.17: columns as
    parameters of the address (only search and order are read from there), the key beside such
    parameters (the columns are then left out), and what a browser remembers of an experiment
    (only a page of the server can write it). The form is not documented, so nothing depends on it.
    """
    column = f"metrics.`val/{metric}`"
    test = f"metrics.`test/{metric}"
    widths = {"tags.`verdict`": 90, f"{test}`": 92, column: 92, "tags.`source`": 150,
              "tags.`strategy`": 130, f"{test}_low`": 85, f"{test}_high`": 85, "tags.`state`": 80,
              "metrics.`seconds`": 80}  # fmt: skip
    first = {"attributes.`Run Name`": 205, "runDateAndNestInfo": 130}
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(widths),
        "columnOrder": [*first, *widths],
        "columnWidths": {**first, **widths},
    }
    return json.dumps(state)


def shown(score: float, metric: str) -> float:
    """Return a score of the search as people read it; log loss is positive again."""
    return METRICS[metric].display(score) if metric in METRICS else score


def _interval(name: str, interval: Interval | None, metric: str = "") -> list[Figure]:
    """Return value and bounds; nothing without labels."""
    if interval is None:
        return []
    low, high = sorted((shown(interval.low, metric), shown(interval.high, metric)))
    return [
        Figure(name, shown(interval.value, metric)),
        Figure(f"{name}_low", low),
        Figure(f"{name}_high", high),
    ]


def _unknown(found: OpenWorld | None) -> list[Figure]:
    """Return the share of images that are none of the classes; nothing where it is not told."""
    if found is None or found.unknown is None or found.unknown.share is None:
        return []
    share = found.unknown.share
    bounds = {"": share.value, "_low": share.low, "_high": share.high}
    return [Figure(f"unknown/share{end}", value) for end, value in bounds.items()]


def _finite(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    return tuple(figure for figure in figures if math.isfinite(figure.value))


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Return parameters or tags of any kind with keys and values that MLflow takes."""
    return {key(name): one_line(value) for name, value in values.items()}
