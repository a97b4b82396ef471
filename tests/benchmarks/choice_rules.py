"""Which rule chooses what is returned? Replayed in closed form, on draws nobody reports.

    python -m tests.benchmarks.choice_rules [--kit KIT] [--work FOLDER] [--draws 10-12]
        [--sets NAME ...]

The candidates of a cell of the scoreboard are a ridge probe on every stage of every source, the
plain mean of the last stages and their mixture, each with out-of-fold predictions on the folds of
a fit. What a rule chooses is fitted on all labelled images and judged on the tested ones. Prints
the accuracy of every rule, in per cent, for each set and size. Predictions are kept below FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import make_folds
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import HeldOutRidge
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.metrics import metric_named
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.source import Source
from autotransfer.search import choice as module
from autotransfer.search.choice import Terms, choose
from autotransfer_fusion.strategies import PRIOR
from tests.benchmarks.scoreboard_draws import (
    SETS,
    TargetSet,
    draw,
    fill,
    numbers,
    open_set,
    readers_in,
    sources_of,
    standard_kit,
    standard_work,
)

ACCURACY = metric_named("accuracy")
MEAN, DEFAULT, MIXTURE = -1, -2, -10

Array = NDArray[np.float64]
Said = dict[int, Array]
Rule = Callable[["Cell"], Mapping[int, float]]


class Cell(NamedTuple):
    """The candidates of one draw.

    Args:
        inside: (n, K) out-of-fold probabilities by candidate.
        outside: (m, K) probabilities for the tested images, of the fit on all labelled ones.
        labels: (n,) classes.
        truth: (m,) classes.
        folds: (n,) fold of each labelled image.
    """

    inside: Said
    outside: Said
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    folds: NDArray[np.int64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=standard_work())
    parser.add_argument("--draws", type=numbers, default=range(10, 13))
    parser.add_argument("--sets", nargs="*", default=[target.name for target in SETS])
    chosen = parser.parse_args()
    readers = readers_in(chosen.work)
    found = defaultdict[tuple[str, str], list[float]](list)
    for target in SETS:
        if target.name in chosen.sets:
            pictures = open_set(target, chosen.kit, chosen.work)
            list(fill(target, pictures, chosen.draws, chosen.kit, readers))
            for shots in target.shots:
                for number in chosen.draws:
                    place = chosen.work / "choice" / f"{target.name}-{shots}-{number}.npz"
                    cell = _cell(place, target, pictures, shots, number, chosen.kit, readers)
                    for name, rule in rules().items():
                        score = _accuracy(cell, rule(cell))
                        found[name, f"{target.name} {shots}"].append(score)
                    sys.stderr.write(f"{target.name}, {shots} a class, draw {number}\n")
    print(*_table(found), sep="\n")  # noqa: T201


def rules() -> dict[str, Rule]:
    """Return what is compared, by name."""
    found: dict[str, Rule] = {
        "default probe": lambda _: {DEFAULT: 1.0},
        "plain mean": lambda _: {MEAN: 1.0},
        "best by validation": _luckiest,
        "mixture": lambda _: {MIXTURE: 1.0},
    }
    for incumbent in (20.0, 10.0, 5.0, 1.0):
        for gate in (2.0, 1.0, 0.0):
            name = f"choice, prior {incumbent:g} : 1, {gate:g} errors"
            found[name] = partial(_chosen, incumbent=incumbent, gate=gate, combine=True)
    found["choice of one, 1 error"] = partial(_chosen, incumbent=5.0, gate=1.0, combine=False)
    return found


def _luckiest(cell: Cell) -> Mapping[int, float]:
    return {max(cell.inside, key=lambda n: ACCURACY.score(cell.labels, cell.inside[n])): 1.0}


def _chosen(cell: Cell, *, incumbent: float, gate: float, combine: bool) -> Mapping[int, float]:
    """Return the weights of `choose` with another prior and another number of errors to gain."""
    kept = dict(cell.inside)
    terms = Terms(ACCURACY, obvious=[MIXTURE], combine=combine)
    before = module.INCUMBENT_PRIOR, module.LEAST_ERRORS
    module.INCUMBENT_PRIOR, module.LEAST_ERRORS = incumbent, gate
    try:
        return choose(kept, cell.folds, cell.labels, terms).weights
    finally:
        module.INCUMBENT_PRIOR, module.LEAST_ERRORS = before


def _accuracy(cell: Cell, weights: Mapping[int, float]) -> float:
    said = np.sum([w * cell.outside[n] for n, w in weights.items()], axis=0)
    return float((said.argmax(axis=1) == cell.truth).mean())


def _cell(
    place: Path,
    target: TargetSet,
    pictures: ImageSet,
    shots: int,
    number: int,
    kit: Path,
    readers: FeatureReaders,
) -> Cell:
    drawn = draw(target, pictures.labels, shots, number)
    train, tested = pictures.subset(drawn.labelled), pictures.subset(drawn.tested)
    if not place.is_file():
        _write(place, train, tested, sources_of(target, kit), readers)
    with np.load(place) as stored:
        inside = {int(k[2:]): stored[k].astype(float) for k in stored if k[:2] == "i:"}
        outside = {int(k[2:]): stored[k].astype(float) for k in stored if k[:2] == "o:"}
        order, folds = stored["order"], stored["folds"]
    return Cell(inside, outside, train.labels[order], tested.labels, folds)


def _write(
    place: Path,
    train: ImageSet,
    tested: ImageSet,
    sources: Sequence[Source],
    readers: FeatureReaders,
) -> None:
    folds = make_folds(train, seed=0, every_item=True)
    parts = [
        _said(train.subset(f.train), train.subset(f.validation), sources, readers) for f in folds
    ]
    arrays = {f"i:{n}": np.concatenate([part[n] for part in parts]) for n in parts[0]}
    arrays |= {f"o:{n}": p for n, p in _said(train, tested, sources, readers).items()}
    order = np.concatenate([fold.validation for fold in folds])
    numbered = np.repeat(np.arange(len(folds)), [len(fold.validation) for fold in folds])
    place.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {name: values.astype(np.float32) for name, values in arrays.items()}
    np.savez(place, order=order, folds=numbered, **kept)


def _said(
    train: ImageSet, shown: ImageSet, sources: Sequence[Source], readers: FeatureReaders
) -> Said:
    """Return what every candidate that learns from some images says of others."""
    num_classes = len(train.class_names)
    found: Said = {}
    last: list[tuple[HeldOutRidge, Array]] = []
    for source in sources:
        reader = readers[source]
        for stage in range(1, reader.num_stages + 1):
            fit, centre = fit_unit_ridge(reader(train, stage), train.labels, num_classes)
            x = reader(shown, stage)
            rows = x if centre is None else unit_rows(x - centre)
            found[len(found)] = fit.head.probabilities(rows)
        last.append((fit, found[len(found) - 1]))
    likely = np.stack([fit.likely(train.labels) for fit, _ in last])
    answers = np.stack([said for _, said in last])
    weights = mixture_weights(likely, prior=PRIOR / len(last))
    found[DEFAULT], found[MEAN] = answers[0], answers.mean(axis=0)
    found[MIXTURE] = np.tensordot(weights, answers, axes=1)
    return found


def _table(found: Mapping[tuple[str, str], Sequence[float]]) -> Iterator[str]:
    cells = list(dict.fromkeys(cell for _, cell in found))
    yield f"| rule | {' | '.join(cells)} | mean |"
    yield "|---" * (len(cells) + 2) + "|"
    for rule in dict.fromkeys(name for name, _ in found):
        means = [100 * float(np.mean(found[rule, cell])) for cell in cells]
        row = " | ".join(f"{mean:.1f}" for mean in means)
        yield f"| {rule} | {row} | {np.mean(means):.2f} |"


if __name__ == "__main__":
    main()
