"""What the commands print: the record of a fit, as JSON and for people."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import pstdev
from typing import Any

from autotransfer.cli.forecast_texts import forecast_json, forecast_text
from autotransfer.cli.groups import filled, text_width, titled
from autotransfer.cli.open_world_texts import open_world_json, open_world_text
from autotransfer.cli.options import picked
from autotransfer.cli.zero_shot_texts import zero_shot_json, zero_shot_text
from autotransfer.data.modality import plural_of
from autotransfer.guard.domains import CLAIM_FROM
from autotransfer.models.catalogue.default_sets import measured_sizes
from autotransfer.models.metrics import Metric
from autotransfer.models.source import HubWeights, LocalWeights, Source
from autotransfer.report.scale import Scale, tested_units
from autotransfer.results import REPORT_FILE, Decision, Outcome, Record, Skipped, State
from autotransfer.shares import sources_told

_RUNNERS_UP = 3
_MEMBERS = 6
_LIMITS = ("value", "low", "high")
_REASONS = 4  # for which something was not tried; the report has them all


def fit_json(record: Record) -> dict[str, Any]:
    """Return the object that `fit --json` prints."""
    verdict, finalist, scale = record.verdict, record.finalist, Scale.of(record)
    metric, test = scale.metric, verdict.test
    return {
        "verdict": str(verdict.decision),
        **picked(verdict, "basis", "sentence", "returned"),
        **picked(finalist, "source", "strategy"),
        "layers": finalist.layers and asdict(finalist.layers),
        "members": [asdict(member) for member in record.chosen],
        "params": dict(finalist.params),
        "metric": record.metric,
        "validation": None if metric is None else _validation(finalist, metric),
        **picked(finalist, "validators", "through"),
        "test": test and {**dict(zip(_LIMITS, scale.bounds(test), strict=True)), "n": test.n},
        "baselines": [
            {"name": baseline.name, "test": _displayed(baseline.test, scale)}
            for baseline in verdict.baselines
        ],
        "gap": verdict.gap
        and picked(verdict.gap, *_LIMITS) | picked(verdict, "minimum_detectable"),
        "gap_reference": verdict.gap_reference and picked(verdict.gap_reference, *_LIMITS),
        "returned_test": _displayed(verdict.returned_test, scale),
        "evidence": picked(
            verdict, "competed", "optimism", "looks", "cause", "remarks", "mcnemar",
            "calibration_error", "competition_bound",
        ),
        "ranking": [
            picked(row, "source", "score", "rank", "estimators") for row in record.ranking.rows
        ],
        "shortlist": record.ranking.shortlist,
        "skipped": [asdict(skip) for skip in record.skipped],
        "trials": _counts(record),
        "probes": sum(outcome.probe for outcome in record.outcomes),
        "seconds": asdict(record.seconds),
        "model": record.model,
        "report": _report(record),
        **picked(record, "run_id", "warnings", "forced"),
        "stopped": None if record.stopped is None else vars(record.stopped),
        **({} if record.forecast is None else {"forecast": forecast_json(record.forecast)}),
        **({} if record.zero_shot is None else {"zero_shot": zero_shot_json(record.zero_shot)}),
        **open_world_json(record),
    }  # fmt: skip


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return a text as lines of the terminal's width."""
    return filled(" ".join(text.split()), indent)


def source_json(source: Source) -> dict[str, Any]:
    """Return a source as the object that `sources --json` prints."""
    match source.weights:
        case LocalWeights(path=path, sha256=sha256):
            weights: dict[str, Any] = {"path": str(path), "sha256": sha256}
        case HubWeights(tag=tag):
            weights = {"hub": tag}
        case _:
            weights = {"untrained": True}
    size = measured_sizes().get(source.name)
    return {
        **picked(source, "name", "architecture"),
        "weights": weights,
        "modality": str(source.modality),
        "input_size": getattr(source.preprocessing, "input_size", None),
        **picked(source, "pretrained_on", "license", "origin", "num_pretraining_images"),
        "megabytes": None if size is None else size.megabytes,
        "gmacs": None if size is None else size.gmacs,
    }


def fit_text(record: Record) -> str:
    """Return the end of a fit on one screen."""
    verdict, finalist, scale = record.verdict, record.finalist, Scale.of(record)
    lines = [
        "",
        f"verdict: {verdict.decision}",
        *wrapped(verdict.sentence.removeprefix(f"{verdict.decision}: "), "  "),
        *(line for remark in verdict.remarks for line in wrapped(remark, "  ")),
        "",
        *_chosen_text(record),
        *_test_text(record, scale),
    ]
    if record.zero_shot is not None:
        lines += zero_shot_text(record.zero_shot)
    lines += open_world_text(record)
    shown = record.returned or finalist
    if shown.through:
        lines.append(f"  through   {' -> '.join(shown.through)}")
    if shown.adaptation:
        lines.append(f"  inputs    {shown.adaptation}")
    if verdict.gap_reference is not None and scale.metric is not None:
        gap, low, high = (scale.difference(getattr(verdict.gap_reference, k)) for k in _LIMITS)
        lines.append(
            f"  search    {gap:+.1f} {scale.unit} over a probe of the default source (95 % "
            f"{low:.1f} to {high:.1f})"
        )
    lines += ["", "tried", *_tried(record, scale), "", *_skipped_text(record.skipped)]
    lines += [] if record.stopped is None else [*wrapped(record.stopped.reason), ""]
    lines += _forced_text(record.forced)
    lines += [] if record.forecast is None else [*forecast_text(record.forecast), ""]
    lines += [
        *filled(f"returned: the {_returned_text(record)}", "", "  "),
        f"  model     {_from_here(record.model)}",
        f"  report    {_report(record) or 'not written'}",
        f"  mlflow    run {record.run_id}" if record.run_id else "  mlflow    not written",
        f"  time      {record.seconds.total:.0f} s (ranking {record.seconds.rank:.0f}, search "
        f"{record.seconds.search:.0f}, guard {record.seconds.guard:.0f})",
        "",
        *_next_text(record),
    ]
    return "\n".join(lines)


def _validation(outcome: Outcome, metric: Metric) -> dict[str, float | None]:
    folds = outcome.fold_values
    return {
        "value": None if outcome.value is None else metric.display(outcome.value),
        "std": pstdev(folds) if len(folds) > 1 else None,
    }


def _displayed(score: float | None, scale: Scale) -> float | None:
    return None if score is None else scale.shown(score)


def _counts(record: Record) -> dict[str, int]:
    """Return the number of trials in each state; probes are none."""
    states = Counter(outcome.state for outcome in record.outcomes if not outcome.probe)
    return {str(state): states[state] for state in State}


def _test_text(record: Record, scale: Scale) -> list[str]:
    """Return the score of the finalist and of the baselines; both need target labels."""
    verdict = record.verdict
    if verdict.test is None:
        labelled = record.scenario != "unlabelled"
        return [
            f"  test      none: {'nothing was tested' if labelled else 'no target label was seen'}"
        ]
    title = "accuracy" if scale.metric is None else scale.title
    value, low, high = scale.bounds(verdict.test)
    interval = f"95 % interval {low:.3f} to {high:.3f}"
    if 0 < len(verdict.domains) < CLAIM_FROM:
        interval = "no interval from so few"
    counted = f"{verdict.test.n} {tested_units(record)} ({title})"
    lines = titled("test", f"{value:.3f}, {interval}, {counted}")
    tested = [(b.test, b.name, b.whole) for b in verdict.baselines if b.test is not None]
    return lines + [
        f"  baseline  {scale.shown(score):.3f} {name}"
        + ("" if whole else " (stopped after a fold: it could not win any more)")
        for score, name, whole in sorted(tested, reverse=True)
    ]


def _chosen_text(record: Record) -> list[str]:
    """Return source and strategy of the trial that is returned, or of the finalist."""
    finalist, shown = record.finalist, record.returned or record.finalist
    strategy = titled("strategy", f"{shown.strategy}{_layers_text(shown)}")
    if shown.number != finalist.number:
        left_out = titled("left out", f"{finalist.strategy} on {finalist.source}")
        return [*titled("source", shown.source), *strategy, *left_out]
    return [*titled("source", sources_told(record)), *strategy, *_members_text(record)]


def _members_text(record: Record) -> list[str]:
    """Return the members of the finalist, where it is put together of several."""
    if len(record.chosen) < 2:
        return []
    shown, rest = record.chosen[:_MEMBERS], record.chosen[_MEMBERS:]
    start, rest_of_lines = " " * 12, " " * 18
    lines = [
        line
        for member in shown
        for line in filled(f"{member.weight:.2f}  {member.told}", start, rest_of_lines)
    ]
    if rest:
        weight = sum(member.weight for member in rest)
        lines.append(f"            {weight:.2f}  {len(rest)} more, named in the report")
    return [f"  members   {len(record.chosen)}, by weight", *lines]


def _layers_text(outcome: Outcome) -> str:
    return "" if outcome.layers is None else f" ({outcome.layers.told})"


def _tried(record: Record, scale: Scale) -> list[str]:
    complete = [o for o in record.outcomes if o.value is not None]
    complete.sort(key=lambda outcome: -(outcome.value or 0.0))
    lines = [
        line
        for o in complete[: _RUNNERS_UP + 1]
        for line in filled(
            f"{scale.shown(o.value or 0.0):.3f}  {o.source} | {o.strategy}{_layers_text(o)}",
            "  ",
            " " * 9,
        )
    ]
    counts = ", ".join(f"{count} {state}" for state, count in _counts(record).items())
    probes = sum(outcome.probe for outcome in record.outcomes)
    kind = "label-free" if scale.metric is None else "validation"
    return [*lines, f"  probes: {probes}; trials: {counts} ({kind} scores)"]


def _skipped_text(skipped: Sequence[Skipped]) -> list[str]:
    """Return the reasons, with how often each holds; the report has the names."""
    if not skipped:
        return []
    counted = Counter(
        "not in the shortlist" if "not in the shortlist" in skip.reason else skip.reason
        for skip in skipped
    ).most_common()
    shown = [f"  {count:>5}  {_short(reason)}" for reason, count in counted[:_REASONS]]
    rest = sum(count for _, count in counted[_REASONS:])
    more = [f"  {rest:>5}  for other reasons"] if rest else []
    return ["not tried", *shown, *more, ""]


def _forced_text(forced: Sequence[str]) -> list[str]:
    """Return what time alone has decided; the report has all of it."""
    if not forced:
        return []
    more = [f"  and {len(forced) - _REASONS} more"] if len(forced) > _REASONS else []
    return ["for want of time", *(f"  {_short(text)}" for text in forced[:_REASONS]), *more, ""]


def _short(text: str) -> str:
    line, most = " ".join(text.split()), text_width() - 9
    return line if len(line) <= most else line[: most - 1] + "…"


def _report(record: Record) -> str | None:
    path = Path(record.model) / REPORT_FILE
    return _from_here(path) if path.is_file() else None


def _from_here(path: str | Path) -> str:
    """Return a path as it is typed in the working folder."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) and path != here else path)


def _next_text(record: Record) -> list[str]:
    """Return what to do next."""
    model = shlex.quote(_from_here(record.model))
    lines = [f"next: autotransfer predict {model} {plural_of(record.modality).upper()}"]
    report = _report(record)
    if report is not None:
        told = f"open {report} for mistakes, doubtful labels and all trials"
        lines += filled(told, " " * 6, " " * 8)
    if record.verdict.decision is Decision.INCONCLUSIVE:
        lines += filled(_more_needed(record), " " * 6, " " * 8)
    return lines


def _more_needed(record: Record) -> str:
    """Return what would settle an inconclusive verdict."""
    if record.verdict.domains:
        return f"add domains, these are too few: nothing is claimed of fewer than {CLAIM_FROM}"
    said = f"label more {plural_of(record.modality)}, these are too few"
    return f"{said}: `autotransfer label` says which" if record.modality == "image" else said


def _returned_text(record: Record) -> str:
    if record.verdict.returned == "transfer":
        return f"transferred model ({record.finalist.strategy} on {sources_told(record)})"
    if record.zero_shot is not None:
        return "baseline (chance), which reads nothing"
    kind = plural_of(record.modality)
    unused = f"target {kind}" if record.scenario == "unlabelled" else "source"
    name = record.verdict.returned_baseline or record.verdict.best_baseline
    return f"baseline ({name}), which uses no {unused}"
