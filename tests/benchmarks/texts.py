"""Heads on frozen features of texts, and counted words, at several numbers of labels a class.

    python -m tests.benchmarks.texts KIT [--draws N] [--only NAME]

Prints a row for each data set and number of labels: the mean accuracy in percent over draws of
the training texts, tested on the texts that the data set keeps for that. Of clinc15_open also how
well texts of none of the classes are told from the tested ones by their distance to the training
texts: the area under the ROC curve for each source. `docs/benchmarks/texts.md` has the tables.
Needs the kit's banking20, clinc15_open, minilm_l6 and wordllama_256; two cores, no GPU.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_images, open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.heads import fit_logistic, fit_ridge
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.out_of_distribution import Rejection
from autotransfer.models.predictors.words import fit_words
from autotransfer.models.texts.folders import source_of_folder

DATA = ("banking20", "clinc15_open")
SOURCES = ("minilm_l6", "wordllama_256")
LABELS = (3, 5, 10, 20, 40)
UNKNOWN = "unknown"  # the split of texts that are of none of the classes
HEADS = {"ridge": fit_ridge, "logistic": fit_logistic}


def accuracies(
    kit: Path, name: str, per_class: int, draws: int, readers: FeatureReaders
) -> dict[str, float]:
    """Return the mean accuracy in percent of each method."""
    rows = pd.read_csv(kit / "data" / f"{name}.csv")
    target = open_target(rows[rows["split"] != UNKNOWN])
    train, tested = target.train, target.held_out
    assert tested is not None
    found: defaultdict[str, list[float]] = defaultdict(list)
    for draw in range(draws):
        learnt = train.subset(drawn(train, per_class, draw))
        words = fit_words(learnt, len(train.class_names), seed=draw)
        found["tf-idf"].append(share_right(words.predict(tested, NO_FEATURES), tested))
        for source in SOURCES:
            reader = readers[source_of_folder(kit / "weights" / source)]
            x, unseen = reader(learnt), reader(tested)
            centre = x.mean(axis=0)
            for title, fit in HEADS.items():
                head = fit(unit_rows(x - centre), learnt.labels, len(train.class_names))
                said = head.probabilities(unit_rows(unseen - centre))
                found[f"{source} {title}"].append(share_right(said, tested))
    return {title: 100 * float(np.mean(values)) for title, values in found.items()}


def unknown_told(kit: Path, name: str, readers: FeatureReaders) -> dict[str, float]:
    """Return the area under the ROC curve of texts of none of the classes, for each source."""
    rows = pd.read_csv(kit / "data" / f"{name}.csv")
    target = open_target(rows[rows["split"] != UNKNOWN])
    strange = open_images(list(rows[rows["split"] == UNKNOWN]["text"]), modality=Modality.TEXT)
    assert target.held_out is not None
    found = {}
    for source in SOURCES:
        reader = readers[source_of_folder(kit / "weights" / source)]
        rejection = Rejection.of(reader(target.train))
        assert rejection is not None
        near, far = (rejection.distance(reader(part)) for part in (target.held_out, strange))
        known = np.r_[np.zeros(len(near)), np.ones(len(far))]
        found[source] = float(roc_auc_score(known, np.r_[near, far]))
    return found


def drawn(train: ImageSet, per_class: int, draw: int) -> NDArray[np.int64]:
    """Return the positions of so many texts of each class."""
    rng = np.random.default_rng(draw)
    classes = range(len(train.class_names))
    members = [rng.permutation(np.flatnonzero(train.labels == k))[:per_class] for k in classes]
    return np.concatenate(members)


def share_right(said: NDArray[np.float64], tested: ImageSet) -> float:
    """Return the accuracy of (n, K) probabilities."""
    return float((said.argmax(axis=1) == tested.labels).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--only", choices=DATA)
    given = parser.parse_args()
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    for name in [given.only] if given.only else DATA:
        for per_class in LABELS:
            row = accuracies(given.kit, name, per_class, given.draws, readers)
            told = "  ".join(f"{title} {value:.1f}" for title, value in row.items())
            print(f"{name} {per_class}: {told}")  # noqa: T201
    if given.only in (None, "clinc15_open"):
        areas = unknown_told(given.kit, "clinc15_open", readers)
        told = "  ".join(f"{source} {area:.3f}" for source, area in areas.items())
        print(f"clinc15_open, of none of the classes: {told}")  # noqa: T201


if __name__ == "__main__":
    main()
