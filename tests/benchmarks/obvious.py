"""Closed-form rules on draws that the scoreboard does not report: which one is the obvious?

    python -m tests.benchmarks.obvious [--kit KIT] [--work FOLDER] [--draws 10-14]
        [--sets NAME ...] [--shots K ...]

Prints the mean accuracy of every rule of `probe_rules.py`, in per cent, for each set and size.
Sets, draws and sources are those of the scoreboard. Features and probes are kept below FOLDER:
what is there already is not computed again, so that a new rule is judged in seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from tests.benchmarks.probe_rules import Features, Probe, best_stages, rules
from tests.benchmarks.scoreboard_draws import (
    SETS,
    SHOTS,
    Draw,
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

_JOINED = ("side by side, last stages", "side by side, best stages")

Accuracies = dict[tuple[str, str, int], list[float]]  # by rule, set and labelled images a class


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=standard_work())
    parser.add_argument("--draws", type=numbers, default=range(10, 15))
    parser.add_argument("--sets", nargs="*", default=[target.name for target in SETS])
    parser.add_argument("--shots", nargs="*", type=int, default=SHOTS)
    chosen = parser.parse_args()
    readers, found = readers_in(chosen.work), defaultdict[tuple[str, str, int], list[float]](list)
    for target in SETS:
        if target.name not in chosen.sets:
            continue
        pictures = open_set(target, chosen.kit, chosen.work)
        began = time.perf_counter()
        passed = sum(
            new for _, new, _ in fill(target, pictures, chosen.draws, chosen.kit, readers)
        )
        sys.stderr.write(f"{target.name}: {passed} passes, {time.perf_counter() - began:.0f} s\n")
        sources = sources_of(target, chosen.kit)
        for shots, number in _cells(target, chosen.shots, chosen.draws):
            drawn = draw(target, pictures.labels, shots, number)
            place = chosen.work / "probes" / f"{target.name}-{shots}-{number}.npz"
            stages, joined = _probes(place, drawn, pictures, sources, readers)
            truth = pictures.labels[drawn.tested]
            for rule, said in rules(stages, joined).items():
                hits = said.argmax(axis=1) == truth
                found[rule, target.name, shots].append(float(hits.mean()))
    print(*table(found), sep="\n")  # noqa: T201


def _cells(target: TargetSet, shots: Sequence[int], draws: range) -> Iterator[tuple[int, int]]:
    for size in target.shots:
        if size in shots:
            for number in draws:
                yield size, number


def _probes(
    place: Path,
    drawn: Draw,
    pictures: ImageSet,
    sources: Sequence[Source],
    readers: FeatureReaders,
) -> tuple[list[list[Probe]], dict[str, Probe]]:
    """Return the probes on all stages of every source, and those on features side by side."""
    labels, num_classes = pictures.labels[drawn.labelled], len(pictures.class_names)
    counts = [readers[source].num_stages for source in sources]
    names = [f"{s}.{k}" for s, count in enumerate(counts) for k in range(count)] + list(_JOINED)
    if place.is_file():
        with np.load(place) as stored:
            kept = {n: Probe(stored[f"{n}:m"], stored[f"{n}:n"], labels) for n in names}
    else:
        kept = _fitted(drawn, pictures, sources, readers)
        _write(place, kept)
    assert all(probe.answers.shape[1] == num_classes for probe in kept.values())
    stages = [[kept[f"{s}.{k}"] for k in range(count)] for s, count in enumerate(counts)]
    return stages, {name: kept[name] for name in _JOINED}


def _fitted(
    drawn: Draw, pictures: ImageSet, sources: Sequence[Source], readers: FeatureReaders
) -> dict[str, Probe]:
    labels, num_classes = pictures.labels[drawn.labelled], len(pictures.class_names)
    read = [_features(drawn, pictures, source, readers) for source in sources]
    fitted = [[Probe.of(part, labels, num_classes) for part in source] for source in read]
    best = best_stages(fitted)
    chosen = ([source[-1] for source in read], [s[k] for s, k in zip(read, best, strict=True)])
    kept = {f"{s}.{k}": p for s, probes in enumerate(fitted) for k, p in enumerate(probes)}
    for name, parts in zip(_JOINED, chosen, strict=True):
        kept[name] = Probe.of(Features.side_by_side(parts), labels, num_classes)
    return kept


def _features(
    drawn: Draw, pictures: ImageSet, source: Source, readers: FeatureReaders
) -> list[Features]:
    """Return the features of all stages of one source."""
    reader = readers[source]
    labelled, tested = pictures.subset(drawn.labelled), pictures.subset(drawn.tested)
    numbers_of_stages = range(1, reader.num_stages + 1)
    return [Features(reader(labelled, k), reader(tested, k)) for k in numbers_of_stages]


def _write(place: Path, kept: Mapping[str, Probe]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_suffix(".tmp")
    arrays = {f"{name}:m": probe.answers.astype("f4") for name, probe in kept.items()}
    arrays |= {f"{name}:n": probe.held_out.astype("f4") for name, probe in kept.items()}
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    temporary.replace(place)


def table(found: Accuracies) -> Iterator[str]:
    """Yield the lines of the table: mean accuracy in per cent, by set and size."""
    rows = list(dict.fromkeys(rule for rule, _, _ in found))
    cells = list(dict.fromkeys((name, shots) for _, name, shots in found))
    sizes = sorted({shots for _, shots in cells})
    heads = [f"{name}, {shots}" for name, shots in cells] + [f"mean of {k}" for k in sizes]
    yield "| rule | " + " | ".join(heads) + " |"
    yield "|" + "---|" * (len(heads) + 1)
    for rule in rows:
        means = {cell: 100 * float(np.mean(found[(rule, *cell)])) for cell in cells}
        over = [np.mean([v for cell, v in means.items() if cell[1] == k]) for k in sizes]
        yield f"| {rule} | " + " | ".join(f"{v:.1f}" for v in [*means.values(), *over]) + " |"


if __name__ == "__main__":
    main()
