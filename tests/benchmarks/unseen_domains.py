"""Accuracy on a domain that nothing has seen, by how source and stage are chosen.

    python tests/benchmarks/unseen_domains.py KIT [SEED ...]

KIT is the folder of the kit; each seed (0 alone if none is given) draws other images. Each
domain of five digit sets and of PACS is left out in turn; the others choose among the ridge
probes of three sources at every stage: by cross-validation over items, by the mean of the
domains left out in turn, by the worst of them, by half of each, by the mean of all three. Beside
them stand all sources at their last stage, as a plain mean and as the mixture that a fit returns
(but for its joint probe), the probe of the first source alone, and the best in hindsight.
"Standardised" brings every domain
to mean 0 and deviation 1 by itself, the left-out one by its own images.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.domains import FOLDER
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.heads import fit_ridge, fit_unit_ridge, mixture_weights, unit_rows
from autotransfer.plugin.registry import discover

DIGITS = ("mnist", "usps", "mnistm", "synth_digits", "chars74k_scene_digits")
SOURCES = ("mobilenetv1-050-imagenet", "mobilenetv1-025-imagenet", "resnet20-cifar10")
MOST = 200  # images of a domain
FOLDS = 3

Rows = NDArray[np.float64]
Domain = tuple[dict[tuple[str, int], Rows], NDArray[np.int64]]
PRIOR = 20.0  # as of `mixture-of-probes`
RULES = (
    "pooled", "mean", "worst", "half of each", "all three", "plain mean", "mixture",
    "first source", "oracle",
)  # fmt: skip


def main(kit: Path, seeds: list[int]) -> None:
    """Print one row for each set of domains, left-out domain, and kind of features."""
    discover(files=[kit / "weights" / "timm_extra.py"])
    sources = resolve_sources(kit / "weights" / "catalogue.toml", only=SOURCES).sources
    readers = FeatureReaders(
        FeatureStore(), PixelStore(1 << 29), load_backbone, torch.device("cpu")
    )
    print(f"| domains | left out | features | {' | '.join(RULES)} |")  # noqa: T201
    print("|" + "---|" * (3 + len(RULES)))  # noqa: T201
    sums: dict[tuple[str, str, str], list[list[float]]] = {}
    for seed, (title, images) in ((s, found) for s in seeds for found in sets_of(kit, s)):
        domains = _read(images, sources, readers)
        for kind, kept in (("as they are", domains), ("standardised", _standardised(domains))):
            found = [_row(kept, name) for name in kept]
            for name, row in zip(kept, found, strict=True):
                _told(title, f"{name}, seed {seed}", kind, row)
            columns = list(zip(*found, strict=True))
            for of, value in (("mean", mean), ("worst", min)):
                sums.setdefault((title, of, kind), []).append([value(c) for c in columns])
    for (title, of, kind), found in sums.items():
        _told(title, of, kind, [mean(column) for column in zip(*found, strict=True)])


def _read(
    images: dict[str, ImageSet], sources: Sequence[Source], readers: FeatureReaders
) -> dict[str, Domain]:
    """Return the features of every domain by source and stage."""
    domains: dict[str, Domain] = {name: ({}, part.labels) for name, part in images.items()}
    for source in sources:
        read = readers[source]
        for name, part in images.items():
            for stage in range(1, read.num_stages + 1):
                domains[name][0][source.name, stage] = np.asarray(read(part, stage), np.float64)
        readers.release()
    return domains


def _told(title: str, name: str, kind: str, row: list[float]) -> None:
    shown = " | ".join(f"{value:.3f}" for value in row)
    print(f"| {title} | {name} | {kind} | {shown} |", flush=True)  # noqa: T201


def sets_of(kit: Path, seed: int) -> list[tuple[str, dict[str, ImageSet]]]:
    digits = {
        name: open_target(str(kit / "data" / f"{name}.npz")).train.sample(MOST, seed)
        for name in DIGITS
    }
    opened = open_target(str(kit / "data" / "pacs.zip"), domain_column=FOLDER)
    assert opened.groups is not None
    of = np.array(opened.groups)
    pacs = {
        str(name): opened.train.subset(np.flatnonzero(of == name)).sample(MOST, seed)
        for name in np.unique(of)
    }
    return [("digits", digits), ("PACS", pacs)]


def _standardised(domains: dict[str, Domain]) -> dict[str, Domain]:
    return {
        name: (
            {key: (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6) for key, x in rows.items()},
            labels,
        )
        for name, (rows, labels) in domains.items()
    }


def _row(domains: dict[str, Domain], left_out: str) -> list[float]:
    """Return the accuracy on the left-out domain by each rule."""
    others = [name for name in domains if name != left_out]
    rows, labels = domains[left_out]
    num_classes = 1 + max(int(domains[name][1].max()) for name in domains)
    scores: dict[str, list[float]] = {rule: [] for rule in RULES[:5]}
    tested, keys = [], list(rows)
    last, said, mixed = dict(keys), [], []
    for key in keys:
        apart = [
            _accuracy([domains[o] for o in others if o != name], domains[name], key, num_classes)
            for name in others
        ]
        scores["pooled"].append(_pooled([domains[name] for name in others], key, num_classes))
        scores["mean"].append(mean(apart))
        scores["worst"].append(min(apart))
        scores["half of each"].append((mean(apart) + min(apart)) / 2)
        scores["all three"].append((scores["pooled"][-1] + mean(apart) + min(apart)) / 3)
        answers = _answers([domains[name] for name in others], rows[key], key, num_classes)
        tested.append(float((answers.argmax(axis=1) == labels).mean()))
        if key[1] == last[key[0]]:
            said.append(answers)
            mixed.append(_probed([domains[name] for name in others], rows[key], key, num_classes))
    chosen = [tested[int(np.argmax(scores[rule]))] for rule in RULES[:5]]
    together = float((np.mean(said, axis=0).argmax(axis=1) == labels).mean())
    weights = mixture_weights(np.stack([likely for _, likely in mixed]), prior=PRIOR / len(mixed))
    probes = [answers for answers, _ in mixed]
    fused = np.tensordot(weights, np.stack(probes), 1)
    found = [together, *(float((a.argmax(axis=1) == labels).mean()) for a in (fused, probes[0]))]
    return [*chosen, *found, max(tested)]


def _probed(
    learnt: list[Domain], x: Rows, key: tuple[str, int], num_classes: int
) -> tuple[Rows, Rows]:
    """Return what a probe says of x, and of the class of each item that it learnt without."""
    features = np.concatenate([rows[key] for rows, _ in learnt])
    labels = np.concatenate([labels for _, labels in learnt])
    fit, centre = fit_unit_ridge(features, labels, num_classes)
    read = x if centre is None else unit_rows(x - centre)
    return np.asarray(fit.head.probabilities(read), np.float64), fit.likely(labels)


def _answers(learnt: list[Domain], x: Rows, key: tuple[str, int], num_classes: int) -> Rows:
    features = np.concatenate([rows[key] for rows, _ in learnt])
    labels = np.concatenate([labels for _, labels in learnt])
    return np.asarray(fit_ridge(features, labels, num_classes).probabilities(x), np.float64)


def _accuracy(
    learnt: list[Domain], tested: Domain, key: tuple[str, int], num_classes: int
) -> float:
    answers = _answers(learnt, tested[0][key], key, num_classes)
    return float((answers.argmax(axis=1) == tested[1]).mean())


def _pooled(domains: list[Domain], key: tuple[str, int], num_classes: int) -> float:
    """Return the accuracy of cross-validation over items, whatever domain they are of."""
    part = [np.arange(len(labels)) % FOLDS for _, labels in domains]
    found = []
    for fold in range(FOLDS):
        inside, outside = (
            [
                ({key: rows[key][keep]}, labels[keep])
                for (rows, labels), keep in zip(domains, masks, strict=True)
            ]
            for masks in ([p != fold for p in part], [p == fold for p in part])
        )
        found += [_accuracy(inside, tested, key, num_classes) for tested in outside]
    return mean(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
