"""How features are scaled before a ridge probe reads them, on few labels.

    python -m tests.benchmarks.feature_scaling [--sets NAME ...] [--draws 10-12]

Takes --kit and --work as `scoreboard.py` does; its draws 0 to 2 are those that the scoreboard
reports, so others choose. Prints the accuracy of the probe of the default source, of the plain
mean of the probes of all sources and of their mixture, each on the last stage, in per cent.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.source import Source
from autotransfer_fusion.strategies import PRIOR
from tests.benchmarks.scoreboard_draws import (
    SETS,
    draw,
    fill,
    numbers,
    open_set,
    readers_in,
    sources_of,
    standard_kit,
    standard_work,
)

Array = NDArray[np.float64]
Fitted = tuple[Array, Array]  # probabilities of the tested, of the labelled by leave-one-out
READINGS = ("default probe", "plain mean", "mixture")


def _as_they_are(x: Array) -> Array:
    return x


def _square_roots(x: Array) -> Array:
    roots: Array = np.sign(x) * np.sqrt(np.abs(x))
    return roots


def _of_length_one(x: Array) -> Array:
    return unit_rows(x)


def _roots_of_length_one(x: Array) -> Array:
    return unit_rows(_square_roots(x))


SCALINGS: Mapping[str, tuple[Callable[[Array], Array], bool, bool]] = {
    # what is done to each row; whether columns are standardised, or rows centred and cut, then
    "as they are": (_as_they_are, False, False),
    "standardised": (_as_they_are, True, False),
    "square roots": (_square_roots, False, False),
    "square roots, standardised": (_square_roots, True, False),
    "length one": (_of_length_one, False, False),
    "length one, standardised": (_of_length_one, True, False),
    "square roots, length one": (_roots_of_length_one, False, False),
    "centred, length one": (_as_they_are, False, True),
    "square roots, centred, length one": (_square_roots, False, True),
}
CHOSEN = "centred, length one; standardised where that is clearly better"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How features are scaled before a ridge probe.")
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=standard_work())
    parser.add_argument("--draws", type=numbers, default=range(10, 13))
    parser.add_argument("--sets", nargs="*", default=[target.name for target in SETS])
    chosen = parser.parse_args()
    readers = readers_in(chosen.work)
    found = defaultdict[tuple[str, str, str], list[float]](list)
    for target in SETS:
        if target.name not in chosen.sets:
            continue
        pictures = open_set(target, chosen.kit, chosen.work)
        list(fill(target, pictures, chosen.draws, chosen.kit, readers))
        sources = sources_of(target, chosen.kit)
        for shots in target.shots:
            for number in chosen.draws:
                drawn = draw(target, pictures.labels, shots, number)
                train, tested = pictures.subset(drawn.labelled), pictures.subset(drawn.tested)
                for scaling in (*SCALINGS, CHOSEN):
                    for reading, score in _scores(scaling, train, tested, sources, readers):
                        found[scaling, reading, f"{target.name} {shots}"].append(score)
    print(*_table(found), sep="\n")  # noqa: T201


def _scores(
    scaling: str,
    train: ImageSet,
    tested: ImageSet,
    sources: Sequence[Source],
    readers: FeatureReaders,
) -> Iterator[tuple[str, float]]:
    """Yield the accuracy of each reading."""
    answers, likely = [], []
    for source in sources:
        x, z = (readers[source](part).astype(float) for part in (train, tested))
        said, held_out = _fitted(scaling, x, z, train)
        answers.append(said)
        likely.append(held_out)
    weights = mixture_weights(np.stack(likely), prior=PRIOR / len(sources))
    together = (answers[0], np.mean(answers, axis=0), np.tensordot(weights, answers, axes=1))
    for reading, probabilities in zip(READINGS, together, strict=True):
        yield reading, float((probabilities.argmax(axis=1) == tested.labels).mean())


def _fitted(scaling: str, x: Array, z: Array, train: ImageSet) -> Fitted:
    labels, num_classes = train.labels, len(train.class_names)
    if scaling == CHOSEN:
        fit, centre = fit_unit_ridge(x, labels, num_classes)
        rows = z if centre is None else unit_rows(z - centre)
        return fit.head.probabilities(rows), fit.likely(labels)
    change, standardise, centred = SCALINGS[scaling]
    x, z = change(x), change(z)
    if centred:
        centre = x.mean(axis=0)
        x, z = unit_rows(x - centre), unit_rows(z - centre)
    fit = fit_ridge_held_out(x, labels, num_classes, standardise=standardise)
    return fit.head.probabilities(z), fit.likely(labels)


def _table(found: Mapping[tuple[str, str, str], Sequence[float]]) -> Iterator[str]:
    cells = list(dict.fromkeys(cell for _, _, cell in found))
    yield f"| features | {' | '.join(READINGS)} | mixture on {' | '.join(cells)} |"
    yield "|---" * (len(cells) + len(READINGS) + 1) + "|"
    for scaling in (*SCALINGS, CHOSEN):
        means = {
            reading: [100 * float(np.mean(found[scaling, reading, cell])) for cell in cells]
            for reading in READINGS
        }
        row = [f"{np.mean(means[reading]):.1f}" for reading in READINGS]
        row += [f"{mean:.1f}" for mean in means["mixture"]]
        yield f"| {scaling} | {' | '.join(row)} |"


if __name__ == "__main__":
    main()
