"""What is known of gains on images, on texts and sounds: does it choose there as well?

    python -m tests.benchmarks.beyond_the_record KIT CATALOGUE [--targets NAME ...] [--draws N]

CATALOGUE is docs/examples/sound_networks.toml with the kit's weights beside it. The candidates are
a ridge probe on every stage of every source and the mixture of probes that a fit begins with; what
is chosen on the folds of a fit is fitted on all labelled items and judged on others: of spoken
digits a speaker (or, where the speaker is the class, a digit) of whom nothing was learnt, folds by
speaker; of texts those that the data set keeps for that. Prints the accuracy in percent of the
default probe, the plain mean, the mixture, and of what is chosen from there by what the record of
images says of gains, by a wide distribution, and by one standard error of the log loss, which is
what `search/choice.py` does where nothing is known. Two cores, no GPU.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedKFold

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.single_thread import single_thread
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.registry import discover
from autotransfer.search.choice import Terms, choose
from autotransfer.search.expected_gain import BEYOND_THE_RECORD, OVER_A_MIXTURE, Expected
from tests.benchmarks.sounds import PLUGIN
from tests.benchmarks.texts import SOURCES, UNKNOWN
from tests.benchmarks.transfer_cells import WITH_JOINT, Block, Cell, Key, Said

SIZES = (2, 5, 20)
TEXTS = ("banking20", "clinc15_open")
TARGETS = ("digits", "speakers", *TEXTS)
KNOWN: Mapping[str, Expected | None] = {
    "as on images": OVER_A_MIXTURE,
    "wide": Expected(BEYOND_THE_RECORD, BEYOND_THE_RECORD),
    "one error": None,
}
OBVIOUS = ("default probe", "plain mean", WITH_JOINT)

Ints = NDArray[np.int64]


class Items(NamedTuple):
    """Items with the features of all sources.

    Args:
        labels: (n,) classes.
        groups: (n,) what is kept on one side of every division; of texts each its own.
        tested: Which items judge, a mask for each time they do.
        stages: (n, d) features of every stage of each source, the default one first.
    """

    labels: Ints
    groups: Ints
    tested: Sequence[NDArray[np.bool_]]
    stages: Mapping[str, Sequence[NDArray[np.float32]]]

    def said(self, learnt: Ints, shown: Ints) -> dict[Key, Said]:
        """Return what probes and mixtures say of some items that learnt from others."""
        blocks = [
            Block(Key("probe", name, number), x[learnt], x[shown], number == len(stages))
            for name, stages in self.stages.items()
            for number, x in enumerate(stages, 1)
        ]
        cell = Cell(self.labels[learnt], int(self.labels.max()) + 1, blocks)
        wanted = ("probe", *OBVIOUS)
        return {key: said for key, said in cell.said(knobs=False) if key.kind in wanted}

    def folds(self, learnt: Ints, per_class: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield what a fold learns from, and what it validates with."""
        labels, groups = self.labels[learnt], self.groups[learnt]
        together = len(np.unique(groups))
        if together < len(learnt):
            parts = GroupKFold(min(5, together)).split(learnt, labels, groups)
        else:
            splitter = StratifiedKFold(min(5, per_class), shuffle=True, random_state=seed)
            parts = splitter.split(learnt, labels)
        for inside, outside in parts:
            if len(np.unique(labels[inside])) == len(np.unique(labels)):
                yield learnt[inside], learnt[outside]


def played(items: Items, tested: NDArray[np.bool_], per_class: int, seed: int) -> dict[str, float]:
    """Return the accuracy of the obvious, and of what each rule chooses."""
    rng = np.random.default_rng(seed)
    free = [np.flatnonzero(~tested & (items.labels == k)) for k in np.unique(items.labels)]
    learnt = np.concatenate([rng.permutation(rows)[:per_class] for rows in free])
    truth = items.labels[tested]
    final = items.said(learnt, np.flatnonzero(tested))
    found = {name: _right(final[Key(name)].answers, truth) for name in OBVIOUS}
    folds = list(items.folds(learnt, per_class, seed))
    parts = [items.said(*fold) for fold in folds]
    keys = [key for key in final if key.kind in ("probe", WITH_JOINT)]
    said = {i: np.concatenate([p[key].answers for p in parts]) for i, key in enumerate(keys)}
    number = np.repeat(np.arange(len(folds)), [len(held_out) for _, held_out in folds])
    labels = items.labels[np.concatenate([held_out for _, held_out in folds])]
    for name, known in KNOWN.items():
        terms = Terms(
            metric_named("accuracy"), (keys.index(Key(WITH_JOINT)),), seed=seed, expected=known
        )
        choice = choose(said, number, labels, terms)
        mixed = choice.mix({i: final[keys[i]].answers for i in choice.weights})
        found[name] = _right(mixed, truth)
    return found


def sounds(kit: Path, catalogue: Path, readers: FeatureReaders, *, speakers: bool) -> Items:
    """Return the spoken digits, their classes or their speakers as labels."""
    discover(files=[PLUGIN])
    sources, _ = read_catalogue(catalogue)
    read = open_target(kit / "data" / "spoken_digits.zip").train
    names = [Path(name).stem.split("_")[0] for name in read.names]
    labels, groups = read.labels, np.unique(names, return_inverse=True)[1]
    if speakers:
        labels, groups = groups, labels
    tested = [groups == group for group in np.unique(groups)]
    return Items(labels, groups, tested, {s.name: _stages(s, [read], readers) for s in sources})


def texts(kit: Path, name: str, readers: FeatureReaders) -> Items:
    """Return the texts of a data set, but for those of none of its classes."""
    rows = pd.read_csv(kit / "data" / f"{name}.csv")
    target = open_target(rows[rows["split"] != UNKNOWN])
    assert target.held_out is not None
    parts = [target.train, target.held_out]
    sources = [source_of_folder(kit / "weights" / source) for source in SOURCES]
    labels = np.concatenate([part.labels for part in parts])
    return Items(
        labels,
        np.arange(len(labels)),
        [np.arange(len(labels)) >= len(target.train)],
        {source.name: _stages(source, parts, readers) for source in sources},
    )


def _stages(
    source: Source, parts: Sequence[ImageSet], readers: FeatureReaders
) -> list[NDArray[np.float32]]:
    reader = readers[source]
    return [
        np.concatenate([reader(part, stage + 1) for part in parts])
        for stage in range(reader.num_stages)
    ]


def _right(said: NDArray[np.float64], truth: Ints) -> float:
    return float((said.argmax(axis=1) == truth).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--draws", type=int, default=2)
    given = parser.parse_args()
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    for name in given.targets:
        if name in TEXTS:
            items = texts(given.kit, name, readers)
        else:
            speakers = name == "speakers"
            items = sounds(given.kit, given.catalogue, readers, speakers=speakers)
        for per_class in SIZES:
            found: defaultdict[str, list[float]] = defaultdict(list)
            for seed in range(given.draws):
                for tested in items.tested:
                    with single_thread():
                        row = played(items, tested, per_class, seed)
                    for title, value in row.items():
                        found[title].append(100 * value)
            told = "  ".join(f"{title} {np.mean(of):.1f}" for title, of in found.items())
            print(f"{name} {per_class}: {told}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
