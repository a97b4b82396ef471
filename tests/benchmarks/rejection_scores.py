"""Which score rejects best what is none of the classes, in a fit with labels.

    python -m tests.benchmarks.rejection_scores KIT [SOURCE]...

The sets and draws are those of rejection.py. Every score is calibrated on the images that are
learnt from, each without itself (the Mahalanobis distance in five folds), and judges images
together and one by one at 5 %. H is the harmonic mean of the share of known images that are kept
and of unknown ones that are rejected, over the open draws. One row is a score, in the mean of the
pairs that choose, and of those that judge.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.novelty import Novelty
from autotransfer.models.out_of_distribution import directions, entropy_of, neighbour_distances
from autotransfer.models.unknown_share import judged_together, p_values, surprise
from autotransfer.plugin.registry import discover
from tests.benchmarks.rejection import DRAWS, SHARES, cells_of

CHOOSING = ("flowers5 | hymenoptera", "hymenoptera | flowers5", "cifar10 |", "eurosat |")
SUMS = {
    "distance + entropy": ("distance", "entropy"),
    "distance + entropy + centre": ("distance", "entropy", "nearest centre"),
}  # the second is the score of a fit without target labels
FOLDS = 5

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """(m,) scores of the images that were learnt from, and (n,) of the others."""

    own: Rows
    new: Rows


def main(kit: Path, names: list[str]) -> None:
    """Print one row a source, score and role of the pairs."""
    discover(files=[kit / "weights" / "timm_extra.py"])
    catalogue = kit / "weights" / "catalogue.toml"
    sources = resolve_sources(catalogue, only=names or ["mobilenetv1-050-imagenet"]).sources
    readers = FeatureReaders(
        FeatureStore(), PixelStore(1 << 29), load_backbone, torch.device("cpu")
    )
    print(  # noqa: T201
        "| source | pairs | score | AUROC | together: H | known rejected | in closed sets "
        "| one by one: H | known rejected |"
    )
    print("|" + "---|" * 9)  # noqa: T201
    for source in sources:
        found: dict[tuple[str, str], list[list[float]]] = {}
        for title, cells in cells_of(kit, readers[source]):
            role = "choosing" if title.startswith(CHOOSING) else "judging"
            rows = [_judged(*cell, seed) for seed, cell in enumerate(cells)]
            for name in rows[0]:
                column = [list(map(mean, zip(*(row[name] for row in rows), strict=True)))]
                found.setdefault((role, name), []).extend(column)
        for (role, name), values in sorted(found.items(), key=lambda item: item[0][0]):
            cells_shown = [f"{mean(column):.3f}" for column in zip(*values, strict=True)]
            shown = " | ".join(cells_shown)
            print(f"| {source.name} | {role} | {name} | {shown} |", flush=True)  # noqa: T201


def _judged(
    learnt: Rows, labels: Labels, known: Rows, unknown: Rows, seed: int
) -> dict[str, list[float]]:
    """Return the figures of every score on one set of known and unknown images."""
    scores = _scores(learnt, labels, np.concatenate([known, unknown]))
    strange = np.arange(len(known) + len(unknown)) >= len(known)
    found: dict[str, list[list[float]]] = {name: [] for name in scores}
    closed: dict[str, list[float]] = {name: [] for name in scores}
    for share in SHARES:
        generator = np.random.default_rng(seed)
        for _ in range(DRAWS):
            n = len(known) * 4 // 5
            more = min(round(n * share / (1 - share)), len(unknown))
            drawn = np.concatenate(
                [generator.permutation(len(known))[:n],
                 len(known) + generator.permutation(len(unknown))[:more]]
            )  # fmt: skip
            for name, score in scores.items():
                together, alone = _rejected(score, score.new[drawn])
                if not more:
                    closed[name].append(float(together.mean()))
                    continue
                here = strange[drawn]
                auroc = float(roc_auc_score(here, score.new[drawn]))
                found[name].append([auroc, *_rates(together, here), *_rates(alone, here)])
    return {
        name: [*rates[:3], mean(closed[name]), *rates[3:]]
        for name, rows in found.items()
        for rates in [list(np.mean(rows, axis=0))]
    }


def _rejected(score: Score, new: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which images are rejected together, and which one by one."""
    together = judged_together(p_values(score.own, new), len(score.own)).probability > 0.5
    place = int(np.ceil((len(score.own) + 1) * 0.95))
    return together, new > np.sort(score.own)[place - 1]


def _rates(out: NDArray[np.bool_], strange: NDArray[np.bool_]) -> list[float]:
    """Return the harmonic mean of what is kept and what is rejected rightly, and the lost part."""
    lost, found = float(out[~strange].mean()), float(out[strange].mean())
    kept = 1 - lost
    return [2 * kept * found / (kept + found) if kept + found else 0.0, lost]


def _scores(learnt: Rows, labels: Labels, new: Rows) -> Mapping[str, Score]:
    x, z = directions(learnt), directions(new)
    _, places = np.unique(labels, return_inverse=True)
    probe = fit_ridge_held_out(x, places, int(places.max()) + 1)
    said = probe.head.probabilities(z)
    novelty = Novelty.of(learnt, labels)
    centre = 1 - (z.astype(np.float64) @ novelty.centres.T).max(axis=1)
    found = {
        "maximum softmax": Score(-probe.held_out.max(axis=1), -said.max(axis=1)),
        "entropy": Score(entropy_of(probe.held_out), entropy_of(said)),
        "Mahalanobis": Score(_folded(learnt, places), _mahalanobis(learnt, places)(new)),
        "nearest centre": Score(novelty.own[:, 1], centre),
        "distance": Score(
            neighbour_distances(x, x, own=True), neighbour_distances(z, x, own=False)
        ),
    }
    for name, parts in SUMS.items():
        own = [surprise(found[part].own, found[part].own) for part in parts]
        others = [surprise(found[part].own, found[part].new) for part in parts]
        found[name] = Score(np.sum(own, axis=0), np.sum(others, axis=0))
    return found


def _folded(x: Rows, places: Labels) -> Rows:
    """Return the (m,) Mahalanobis distances of images that had no part in means and covariance."""
    fold = np.random.default_rng(0).permutation(len(x)) % FOLDS
    found = np.zeros(len(x))
    for k in range(FOLDS):
        found[fold == k] = _mahalanobis(x[fold != k], places[fold != k])(x[fold == k])
    return found


def _mahalanobis(x: Rows, places: Labels) -> Callable[[Rows], Rows]:
    classes, where = np.unique(places, return_inverse=True)
    means = np.stack([x[where == k].mean(axis=0) for k in range(len(classes))])
    within = x - means[where]
    covariance = within.T @ within / len(x)
    trace = np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv(0.9 * covariance + 0.1 * trace * np.eye(len(covariance)))

    def distance(new: Rows) -> Rows:
        apart = [(((new - m) @ inverse) * (new - m)).sum(axis=1) for m in means]
        return np.asarray(np.min(apart, axis=0), np.float64)

    return distance


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
