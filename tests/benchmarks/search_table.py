"""A table of real trials: every point of a coarse grid, on three folds, with its predictions.

`record` trains every point once for each fold, and writes what it said of each validation
image, at every rung, and of each test image, into a folder outside the repository. It may be
stopped at any time and goes on where it was. `tables` reads what is complete.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import NUM_FOLDS, make_folds
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.scoring import mean_over_folds
from autotransfer.models.source import Source, source_from_json, source_to_json
from autotransfer.plugin.strategy import Strategy, Trial
from autotransfer.results import ParamValue
from autotransfer.scenarios.inputs import (
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.scenarios.options import read_options
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.pruning import Losses, calibrated_losses, step_of

TUNE, PROBE = "fine-tune", "feature-extraction"
HEADS = ("ridge", "logistic", "lda", "nearest-mean")
DEFAULT = {"learning_rate_multiplier": 1.0, "depth": 0.7, "epochs": 8}
GRID: Mapping[str, tuple[float, ...]] = {
    "learning_rate_multiplier": (0.3, 1.0, 3.0),
    "depth": (0.4, 0.7, 0.9),
    "epochs": (4, 8),
}
MOST_OPEN, MOST_HELD = 300, 600  # images to search on, and to judge on
OPEN_SHARE = 2 / 3  # of a set without a test split
RUNG_SHARES = (1 / 9, 1 / 3, 1.0)  # of what a fold costs

Params = Mapping[str, ParamValue]


@dataclass(frozen=True)
class Recording:
    """What to record.

    Args:
        table: The folder of the table.
        catalogue: The sources.
        plugins: Files that register architectures.
        sources: Names; empty takes all.
        side: Side of the images, in pixels.
        until: Monotonic seconds at which to stop.
    """

    table: Path
    catalogue: str
    plugins: tuple[str, ...]
    sources: tuple[str, ...]
    side: int
    until: float


def record(wanted: Recording, pictures: str) -> bool:
    """Record what is missing of one target; return whether there was time for all of it."""
    chosen = read_options({"sources": wanted.catalogue, "plugins": wanted.plugins})
    registry = discover_plugins(chosen)
    opened = open_labelled(pictures, chosen)
    images, held = _divided(opened.train, opened.held_out)
    folds = make_folds(images, seed=0)
    context = LabelledContext(images, folds, None, make_readers(chosen), metric_named("accuracy"))
    sources = [
        replace(s, preprocessing=replace(s.preprocessing, input_size=wanted.side))
        for s in choose_sources(chosen, registry, len(opened.train)).sources
        if not wanted.sources or s.name in wanted.sources
    ]
    stages = {source.name: context.readers[source].num_stages for source in sources}
    about = {"sources": [source_to_json(s) for s in sources], "stages": list(stages.values())}
    wanted.table.mkdir(parents=True, exist_ok=True)
    (wanted.table / f"target-{opened.name}.json").write_text(json.dumps(about), encoding="utf-8")
    for fold, (source, strategy, params) in itertools.product(
        range(NUM_FOLDS), list(points(sources, stages))
    ):
        path = _path(wanted.table, opened.name, fold, source.name, strategy, params)
        if path.exists():
            continue
        if time.monotonic() > wanted.until:
            return False
        context.readers.focus(source)
        _run(path, registry.strategy(strategy), source, params, context, fold, held)
        sys.stderr.write(f"{opened.name} {fold} {source.name} {strategy} {params}\n")
    return True


def _divided(train: ImageSet, sealed: ImageSet | None) -> tuple[ImageSet, list[ImageSet]]:
    """Return the images to search on, and those to judge on."""
    order = np.random.default_rng(17).permutation(len(train))
    share = 1.0 if sealed is not None else OPEN_SHARE
    num_open = min(MOST_OPEN, round(share * len(train)))
    held = [train.subset(order[num_open : num_open + MOST_HELD])]
    if sealed is not None:
        chosen = np.random.default_rng(18).permutation(len(sealed))[:MOST_HELD]
        held.append(sealed.subset(chosen))
    return train.subset(order[:num_open]), [part for part in held if len(part)]


def points(
    sources: Sequence[Source], stages: Mapping[str, int]
) -> Iterator[tuple[Source, str, dict[str, ParamValue]]]:
    """Yield every point of the table: ridge on all stages, all heads on the last, fine-tuning."""
    for source in sources:
        last = stages[source.name]
        for stage, head in itertools.product(range(1, last + 1), HEADS):
            if head == HEADS[0] or stage == last:
                yield source, PROBE, {"depth": stage / last, "head": head}
    for values in itertools.product(*GRID.values()):
        for source in sources:
            yield source, TUNE, dict(zip(GRID, values, strict=True))


def _run(
    path: Path,
    strategy: Strategy,
    source: Source,
    params: Params,
    context: LabelledContext,
    fold: int,
    held: Sequence[ImageSet],
) -> None:
    train, validation = context.divisions()[fold]
    reader, task = context.readers[source], context.task(source, train)
    shown: list[NDArray[np.float64]] = []

    def report(_progress: float, predictor: Predictor, /) -> None:
        shown.append(predictor.predict(validation, reader))

    point = {**strategy.space(task.info).defaults(), **params}
    began = time.process_time()  # what else runs on the machine does not count
    predictor = strategy.fit(task, Trial(point, report, None, 0))
    seconds = time.process_time() - began
    shown.append(predictor.predict(validation, reader))
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            rungs=np.stack(shown).astype(np.float32),
            test=np.concatenate([predictor.predict(part, reader) for part in held]).astype("f4"),
            labels=validation.labels,
            test_labels=np.concatenate([part.labels for part in held]),
            seconds=seconds,
        )
    temporary.replace(path)


def _path(table: Path, target: str, fold: int, source: str, strategy: str, params: Params) -> Path:
    text = json.dumps([target, fold, source, strategy, dict(params)], sort_keys=True)
    return table / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


@dataclass(frozen=True)
class Point:
    """One recorded trial, all folds.

    Args:
        value: Validation accuracy, the mean over the folds.
        log_loss: The same of the log loss, in nats.
        rungs: Step and accuracy, as a search notes them.
        losses: Calibrated losses at every step.
        test: Accuracy on the test images, the mean over the folds.
        seconds: Of the processor, of every fold.
        trains: Whether the network is trained, or only its features are read.
    """

    value: float
    log_loss: float
    rungs: tuple[tuple[int, float], ...]
    losses: Losses = field(repr=False)
    test: float
    seconds: tuple[float, ...]
    trains: bool

    @property
    def priority(self) -> tuple[float, float]:
        """Return what trials are compared by."""
        return self.value, -self.log_loss


@dataclass
class Table:
    """The recorded trials of one target."""

    folder: Path
    target: str
    sources: tuple[Source, ...]
    stages: Mapping[str, int]
    _known: dict[tuple[str, str, str], Point | None] = field(default_factory=dict)

    def at(self, source: str, strategy: str, params: Mapping[str, Any]) -> Point:
        """Return the trial at the nearest grid point."""
        found = self._read(source, strategy, self._nearest(source, strategy, params))
        assert found is not None, "only complete tables are replayed"
        return found

    def _read(self, source: str, strategy: str, params: Params) -> Point | None:
        key = (source, strategy, json.dumps(dict(params), sort_keys=True))
        if key not in self._known:
            paths = [
                _path(self.folder, self.target, fold, source, strategy, params)
                for fold in range(NUM_FOLDS)
            ]
            complete = all(path.exists() for path in paths)
            self._known[key] = (
                _point([np.load(path) for path in paths], trains=strategy == TUNE)
                if complete
                else None
            )
        return self._known[key]

    def _nearest(self, source: str, strategy: str, params: Mapping[str, Any]) -> Params:
        if strategy == PROBE:
            stages = self.stages[source]
            stage = max(1, round(float(params["depth"]) * stages))
            head = params["head"] if stage == stages else HEADS[0]
            return {"depth": stage / stages, "head": head}
        return {
            name: min(values, key=lambda v: abs(_scaled(name, v) - _scaled(name, params[name])))
            for name, values in GRID.items()
        }

    @property
    def is_complete(self) -> bool:
        """Return whether every point is recorded on every fold."""
        return all(
            self._read(source.name, strategy, params) is not None
            for source, strategy, params in points(self.sources, self.stages)
        )

    @cached_property
    def every(self) -> tuple[Point, ...]:
        """Return all points, the best on the validation images first."""
        found = [
            self.at(source.name, strategy, params)
            for source, strategy, params in points(self.sources, self.stages)
        ]
        return tuple(sorted(found, key=lambda point: point.priority, reverse=True))

    @cached_property
    def unit(self) -> float:
        """Return the mean seconds of a default fine-tune on all folds."""
        return float(np.mean([sum(self.at(s.name, TUNE, DEFAULT).seconds) for s in self.sources]))


def _point(folds: Sequence[Any], *, trains: bool) -> Point:
    rungs, losses, sizes = [], {}, [len(stored["labels"]) for stored in folds]
    for fold, stored in enumerate(folds):
        first = len(RUNG_SHARES) - len(stored["rungs"])
        for rung, shown in enumerate(stored["rungs"].astype(np.float64), start=first):
            losses[step_of(fold, rung)] = calibrated_losses(stored["labels"], shown)
            rungs.append((step_of(fold, rung), _accuracy(stored["labels"], shown)))
    return Point(
        value=mean_over_folds([_accuracy(s["labels"], s["rungs"][-1]) for s in folds], sizes),
        log_loss=mean_over_folds([_log_loss(s["labels"], s["rungs"][-1]) for s in folds], sizes),
        rungs=tuple(rungs),
        losses=losses,
        test=float(np.mean([_accuracy(s["test_labels"], s["test"]) for s in folds])),
        seconds=tuple(float(stored["seconds"]) for stored in folds),
        trains=trains,
    )


def _scaled(name: str, value: float) -> float:
    return float(value) if name == "depth" else float(np.log(value))


def _accuracy(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _log_loss(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, 1e-7)).mean())


def tables(folder: Path, targets: Sequence[str]) -> list[Table]:
    """Return the tables of these targets, or of all, that are recorded to the end."""
    found = []
    for path in sorted(folder.glob("target-*.json")):
        target = path.stem.removeprefix("target-")
        if targets and target not in targets:
            continue
        about = json.loads(path.read_text(encoding="utf-8"))
        sources = tuple(source_from_json(values) for values in about["sources"])
        stages = {s.name: n for s, n in zip(sources, about["stages"], strict=True)}
        one = Table(folder, target, sources, stages)
        if one.is_complete:
            found.append(one)
        else:
            sys.stderr.write(f"{target}: not recorded to the end; left out\n")
    return found
