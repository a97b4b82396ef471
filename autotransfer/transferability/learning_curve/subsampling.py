"""Accuracy with fewer labels than there are, from cached features alone.

The mixture of all sources is stood for by one ridge on their features side by side, each with the
share that its probe earns: on the record of small transfers it is within half a point of the
mixture from ten labels a class on. It goes through one (n, n) Gram matrix, so that a fit to
m labels is one decomposition of m rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import (
    PENALTIES,
    GramDecomposition,
    choose_penalty,
    targets_of,
)
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.single_thread import single_thread
from autotransfer.transferability.learning_curve.smoothing import likely_right, margins_of

SHARES = (0.125, 0.25, 0.4, 0.55, 0.75)  # of the labels, that smaller fits learn from
DRAWS, FEWEST_DRAWS = 30, 5  # of nested subsets; fewer where the subsets are large
MOST_ITEMS = 800  # a decomposition of more rows takes a second
WEIGHED_BY, WEIGHINGS = 200, 2  # items of a subset, and subsets, that weigh the sources
PRIOR = 20.0  # items that all sources together are taken to have explained in advance
NEGLIGIBLE = 0.01  # of the weights
_WORK = DRAWS * 100**3  # draws times cubed rows that are worth their time


@dataclass(frozen=True)
class Subsampled:
    """How often items are told right by what has learnt from m others.

    Args:
        sizes: (J,) numbers m of labels, increasing; the last is that of all but the item itself.
        hits: (J, t) how likely fits to m labels tell a tested item right, the mean over them.
        num_classes: K.
        num_labels: n, of all.
        left_out: Whether the last row is of fits to all items but the tested one.
    """

    sizes: NDArray[np.int64]
    hits: NDArray[np.float64]
    num_classes: int
    num_labels: int
    left_out: bool = False

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Return the (J,) accuracies."""
        accuracy: NDArray[np.float64] = self.hits.mean(axis=1)
        return accuracy


@dataclass(frozen=True)
class Grams:
    """The products of the rows of several sources.

    Args:
        of_sources: (S, n, n).
    """

    of_sources: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        features: Sequence[NDArray[np.floating]],
        labels: NDArray[np.int64],
        num_classes: int,
    ) -> Grams:
        """Return the products of (n, d_s) features, scaled as a probe of each scales them."""
        few = _spread(labels, WEIGHED_BY)
        found = []
        with single_thread():
            for x in features:
                _, centre = fit_unit_ridge(x[few], labels[few], num_classes)
                rows = _rows(x, unit=centre is not None)
                found.append(rows @ rows.T)
        return cls(np.stack(found))

    def joint(
        self, subsets: Sequence[NDArray[np.int64]], labels: NDArray[np.int64], num_classes: int
    ) -> NDArray[np.float64]:
        """Return the (n, n) sum over sources, each by the weight that subsets of labels give it.

        Args:
            subsets: Places that weigh the sources; the weights are the mean over them.
            labels: (n,).
            num_classes: K.
        """
        prior = PRIOR / len(self.of_sources)
        weights = np.mean([
            mixture_weights(self._likely(subset, labels, num_classes), prior=prior)
            for subset in subsets
        ], axis=0)  # fmt: skip
        weights[weights < NEGLIGIBLE] = 0.0
        joint: NDArray[np.float64] = np.einsum("s,sij->ij", weights, self.of_sources)
        return joint

    def _likely(
        self, subset: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int
    ) -> NDArray[np.float64]:
        """Return (S, m) the leave-one-out probability of each item's own class."""
        own = labels[subset]
        targets = targets_of(own, num_classes)
        testable = np.bincount(own, minlength=num_classes)[own] > 1
        found = []
        for gram in self.of_sources[:, subset[:, None], subset]:
            parts = _centred(gram.astype(np.float64))
            _, steepness, scores = choose_penalty(parts, targets, own, testable, 1.0)
            said = softmax(steepness * scores, axis=1)[np.arange(len(own)), own]
            found.append(said[testable])
        return np.stack(found)


def subsampled(
    grams: Grams,
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    tested: NDArray[np.bool_] | None = None,
    units: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Subsampled | None:
    """Return the accuracies of ridge fits to nested random subsets, and to all labels but one.

    Args:
        grams: Products of the features of every source.
        labels: (n,) classes in [0, K).
        num_classes: K.
        tested: (n,) whether an item may test; None is all.
        units: (n,) what belongs together and never teaches about itself; None is each alone.
        seed: Of the draws.

    Returns:
        None where no item could be tested.
    """
    n, rng = len(labels), np.random.default_rng(seed)
    tested = np.ones(n, dtype=np.bool_) if tested is None else tested
    units = np.arange(n) if units is None else np.unique(units, return_inverse=True)[1]
    sizes = _sizes(n, len(np.unique(labels)))
    told, counts = np.zeros((len(sizes), n)), np.zeros((len(sizes), n))
    orders = [_nested(labels, units, rng) for _ in range(DRAWS)]
    with single_thread():
        for j, m in enumerate(sizes):
            weighing = [order[: min(m, WEIGHED_BY)] for order in orders[:WEIGHINGS]]
            gram = grams.joint(weighing, labels, num_classes)
            for order in orders[: _draws(m)]:
                learnt = order[:m]
                others = np.flatnonzero(tested & ~np.isin(units, units[learnt]))
                if len(others) and len(np.unique(labels[learnt])) > 1:
                    told[j, others] += likely_right(
                        _margins(gram, labels, num_classes, learnt, others)
                    )
                    counts[j, others] += 1
        rows = [np.where(counts[j] > 0, told[j] / np.maximum(counts[j], 1), np.nan)
                for j in range(len(sizes))]  # fmt: skip
        left_out = len(np.unique(units)) == n
        if left_out:
            sizes.append(n)
            few = [_spread(labels, WEIGHED_BY)]
            margins = _left_out(grams.joint(few, labels, num_classes), labels, num_classes)
            rows.append(np.full(n, np.nan))
            rows[-1][tested] = likely_right(margins[tested])
    kept = [(m, row[tested]) for m, row in zip(sizes, rows, strict=True)
            if not np.isnan(row[tested]).all()]  # fmt: skip
    if not kept:
        return None
    hits = np.array([np.where(np.isnan(row), np.nanmean(row), row) for _, row in kept])
    return Subsampled(np.array([m for m, _ in kept]), hits, num_classes, n, left_out)


def gained(
    grams: Grams,
    labels: NDArray[np.int64],
    num_classes: int,
    before: NDArray[np.bool_],
    tested: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return what labels have added to the right answers on the same items; none teaches itself.

    Args:
        grams: Products of the features of every source.
        labels: (n,) classes in [0, K), with those that were added.
        num_classes: K.
        before: (n,) whether an item had its label before.
        tested: (n,) whether an item may test.

    Returns:
        (t,) 1 for a tested item that is right only now, -1 for one that was right before.
    """
    old = np.flatnonzero(before)
    with single_thread():
        gram = grams.joint([_spread(labels, WEIGHED_BY)], labels, num_classes)
        now = _left_out(gram, labels, num_classes)
        then = np.zeros(len(labels))
        then[old] = _left_out(gram[np.ix_(old, old)], labels[old], num_classes)
        new = np.flatnonzero(~before)
        then[new] = _margins(gram, labels, num_classes, old, new)
    gains: NDArray[np.float64] = ((now > 0).astype(np.float64) - (then > 0))[tested]
    return gains


def _sizes(n: int, num_present: int) -> list[int]:
    """Return the sizes of the subsets: two labels a class and more, or one where there are few."""
    wanted = sorted({round(share * n) for share in SHARES})
    return [m for m in wanted if m >= 2 * num_present] or [
        m for m in wanted if num_present <= m < n
    ]


def _draws(m: int) -> int:
    """Return how many fits to m labels are made."""
    return int(np.clip(_WORK / m**3, FEWEST_DRAWS, DRAWS))


def _rows(x: NDArray[np.floating], *, unit: bool) -> NDArray[np.float32]:
    """Return rows of length about one."""
    centred = x - x.mean(axis=0, dtype=np.float64)
    if unit:
        return np.asarray(unit_rows(centred), dtype=np.float32)
    scaled = centred / np.maximum(centred.std(axis=0), 1e-12) / np.sqrt(x.shape[1])
    return np.asarray(scaled, dtype=np.float32)


def _spread(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the places of at most so many items in which classes keep their shares."""
    order = _nested(labels, np.arange(len(labels)), np.random.default_rng(0))
    return np.sort(order[:most])


def _nested(
    labels: NDArray[np.int64], units: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return all places in an order whose every beginning has the classes in their shares.

    Items of one unit are neighbours.
    """
    first = rng.permutation(units.max() + 1)[units]  # by unit, in random order
    quantile = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = np.empty(len(members))
        ranks[np.argsort(first[members], kind="stable")] = np.arange(len(members))
        quantile[members] = (ranks + rng.random()) / len(members)
    least = np.full(units.max() + 1, np.inf)
    np.minimum.at(least, units, quantile)
    return np.lexsort((units, least[units]))


def _decomposed(
    gram: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[GramDecomposition, float, NDArray[np.float64]]:
    """Return the parts of a centred Gram, the penalty and the leave-one-out scores at it."""
    parts = _centred(gram)
    grid = PENALTIES * parts.mean_eigenvalue
    scores = list(parts.held_out(targets, grid))
    best = int(np.argmin([np.square(s - targets).mean() for s in scores]))
    return parts, float(grid[best]), scores[best]


def _centred(gram: NDArray[np.float64]) -> GramDecomposition:
    mean = gram.mean(axis=0)
    return GramDecomposition.of_gram(gram - mean - mean[:, None] + mean.mean(), most=len(gram))


def _margins(
    gram: NDArray[np.float64],
    labels: NDArray[np.int64],
    num_classes: int,
    learnt: NDArray[np.int64],
    others: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the margins of other items by the fit to some."""
    targets = targets_of(labels[learnt], num_classes)
    inner, across = gram[np.ix_(learnt, learnt)], gram[np.ix_(others, learnt)]
    parts, penalty, _ = _decomposed(inner, targets)
    mean = targets.mean(axis=0)
    dual = parts.solve(targets - mean, penalty)
    scores = (across - inner.mean(axis=0)) @ (dual - dual.mean(axis=0)) + mean
    return margins_of(scores, labels[others])


def _left_out(
    gram: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Return the margin of each item by the fit to all others.

    Without an item its class is rarer, by a fifth where it has five, and the intercept of the fit
    says so: of five a class, four points of accuracy. The intercept of all items stands in its
    place, as if another item of the class had come.
    """
    targets = targets_of(labels, num_classes)
    _, _, scores = _decomposed(gram, targets)
    rarer = (targets - targets.mean(axis=0)) / (len(labels) - 1)  # mean of all less that of others
    return margins_of(scores + rarer, labels)
