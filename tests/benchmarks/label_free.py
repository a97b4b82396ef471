"""How well sources are ranked before there is any label, against what probes on them reach.

Each score reads the last-stage features of at most 300 images of a target, as `autotransfer label`
does without labels, and no label. The oracle is the mean accuracy of the last-stage probe of the
same source in the record of small transfers, at 20 labelled a class (10 where there are no 20).
Spearman's correlation with it over the sources; the points that the source ranked first, and the
best of the first three, are behind the best one. The families awa, caltech30, cifar10, digits,
grocery and pacs choose, the others judge. The features are those that
`tests/benchmarks/transfer_record.py` leaves.

    python -m tests.benchmarks.label_free --features FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from autotransfer.labelling.suggesting import RANKED_BY, RANKME_OFFSET
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.single_thread import single_thread
from autotransfer.transferability.scores.rankme import effective_rank
from tests.benchmarks.label_forecast import CHOOSING
from tests.benchmarks.transfer_cells import NO_SOURCE
from tests.benchmarks.transfer_table import read_record
from tests.benchmarks.transfer_targets import TARGETS, Target, labels_of, pool_of

SIZES, FIRST = (20, 10), 3
NEIGHBOURS = 10

Floats = NDArray[np.float64]
Features = Mapping[str, Floats]
Scores = Mapping[str, float]


def features_of(folder: Path, target: Target) -> Features:
    """Return (n, d) features of at most 300 images by source, without what learnt from them."""
    pool = pool_of(target)
    with np.load(folder / pool.name / "pool.npz") as kept:
        labels = labels_of(target, kept["labels"].astype(np.int64), tuple(kept["class_names"]))
    mine = np.flatnonzero(labels >= 0)
    taken = np.sort(np.random.default_rng(0).permutation(mine)[:RANKED_BY])
    found = {}
    for path in sorted((folder / pool.name).glob("*.npz")):
        leaks = pool.leak == "CIFAR-10" and "cifar10" in path.stem
        if path.stem not in ("pool", *NO_SOURCE) and not leaks:
            with np.load(path) as kept:
                found[path.stem] = kept[f"stage {len(kept.files)}"][taken].astype(np.float64)
    return found


def rank_me(features: Features) -> Scores:
    """Return the effective rank of the features (RankMe, arXiv:2210.02885)."""
    return {s: effective_rank(_singular(x), RANKME_OFFSET) for s, x in features.items()}


def centred_rank(features: Features) -> Scores:
    """Return the effective rank of the centred features of length one."""
    return {s: effective_rank(_singular(_rows(x)), RANKME_OFFSET) for s, x in features.items()}


def alpha_req(features: Features) -> Scores:
    """Return minus the distance of the decay of the eigenvalues from 1 (arXiv:2202.05808)."""
    found = {}
    for source, x in features.items():
        values = np.square(_singular(x - x.mean(axis=0)))
        values = values[values > 1e-9 * values[0]][10:100]
        slope = np.polyfit(np.log(np.arange(11, 11 + len(values))), np.log(values), 1)[0]
        found[source] = -abs(-slope - 1)
    return found


def agreement(features: Features) -> Scores:
    """Return how alike the similarities of images are to their mean over all sources (CKA)."""
    grams = {source: _gram(x) for source, x in features.items()}
    mean = np.mean(list(grams.values()), axis=0)
    return {s: float((g * mean).sum() / np.linalg.norm(mean)) for s, g in grams.items()}


def neighbours(features: Features) -> Scores:
    """Return the share of nearest neighbours that other sources see too, the mean over them."""
    near = {}
    for source, x in features.items():
        rows, number = _rows(x), min(NEIGHBOURS, len(x) - 1)
        _, places = NearestNeighbors(n_neighbors=number + 1).fit(rows).kneighbors(rows)
        marks = np.zeros((len(x), len(x)))
        np.put_along_axis(marks, places[:, 1:], 1.0, axis=1)
        near[source] = marks / np.sqrt(marks.sum())
    total = np.sum(list(near.values()), axis=0)
    return {s: float((m * (total - m)).sum()) for s, m in near.items()}


def width(features: Features) -> Scores:
    """Return the number of features: what the others have to beat."""
    return {source: float(x.shape[1]) for source, x in features.items()}


def by_name(features: Features) -> Scores:
    """Return random numbers."""
    rng = np.random.default_rng(len(features))
    return {source: float(rng.random()) for source in features}


SCORES: Mapping[str, Callable[[Features], Scores]] = {
    "RankMe": rank_me,
    "RankMe, centred rows of length one": centred_rank,
    "alpha-ReQ": alpha_req,
    "agreement with the mean Gram (CKA)": agreement,
    "agreement of neighbours": neighbours,
    "number of features": width,
    "random": by_name,
}


def oracles(record: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the accuracy of each source's last-stage probe by target."""
    last = record[(record.kind == "probe") & (record.stage == record.stages)]
    means = last.groupby(["target", "size", "source"], observed=True).true_accuracy.mean()
    sizes = {(target, size) for target, size, _ in means.index}
    found = {}
    for target in TARGETS:
        size = next((s for s in SIZES if (target.name, s) in sizes), None)
        if size is not None:
            found[target.name] = means.loc[target.name, size]
    return found


def rows(folder: Path) -> Iterator[dict[str, object]]:
    """Yield how good each score is on each target."""
    record = read_record()
    family, truth = record.groupby("target", observed=True).family.first(), oracles(record)
    for target in TARGETS:
        if target.name not in truth:
            continue
        features, oracle = features_of(folder, target), truth[target.name]
        for name, score in SCORES.items():
            scores = pd.Series(score(features))
            reached = oracle[scores.index].to_numpy(dtype=np.float64)
            order = np.argsort(-scores.to_numpy(), kind="stable")
            yield {
                "judges": str(family[target.name]) not in CHOOSING,
                "target": target.name,
                "score": name,
                "rank": float(spearmanr(scores, reached).statistic),
                "first": 100 * float(reached.max() - reached[order[0]]),
                "three": 100 * float(reached.max() - reached[order[:FIRST]].max()),
            }


def _singular(x: Floats) -> Floats:
    found = np.linalg.svd(x, compute_uv=False)
    return np.asarray(found[found > 0], dtype=np.float64)


def _rows(x: Floats) -> Floats:
    return np.asarray(unit_rows(x - x.mean(axis=0)), dtype=np.float64)


def _gram(x: Floats) -> Floats:
    rows = _rows(x)
    gram = rows @ rows.T
    gram = gram - gram.mean(axis=0) - gram.mean(axis=1, keepdims=True) + gram.mean()
    return np.asarray(gram / np.linalg.norm(gram), dtype=np.float64)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    given = parser.parse_args()
    with single_thread():
        found = pd.DataFrame(list(rows(given.features)))
    sys.stdout.write("| score | targets | rank correlation | first behind | best of 3 behind |\n")
    for judges, of in found.groupby("judges"):
        sys.stdout.write(f"| {'judging' if judges else 'choosing'} families | | | | |\n")
        for name in SCORES:
            mean = of[of.score == name].mean(numeric_only=True)
            sys.stdout.write(
                f"| {name} | {of.target.nunique()} | {mean['rank']:+.2f} | {mean['first']:.1f} | "
                f"{mean['three']:.1f} |\n"
            )


if __name__ == "__main__":
    main()
