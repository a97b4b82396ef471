"""Held-out classes two at a time: how well each pair is told apart, and by exchanged rows.

The class is the unit: intervals resample classes, and the null exchanges whole rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin.zero_shot import LeftOutScores

Array = NDArray[np.float64]

PERMUTATIONS = 1000
REFITTED = 400  # permutations before everything is fitted again, in closed form
ALL_PAIRS_UP_TO = 30  # classes; of more, every class meets about as many others
_DRAWS = 2000


def rounds(num_classes: int) -> list[list[tuple[int, int]]]:
    """Return all pairs of classes in rounds; in a round every class is in at most one pair.

    The circle method of tournaments: K - 1 rounds for even K, K for odd.
    """
    players = list(range(num_classes + num_classes % 2))
    half = len(players) // 2
    found = []
    for _ in range(len(players) - 1):
        games = zip(players[:half], reversed(players[half:]), strict=True)
        found.append([(min(g), max(g)) for g in games if max(g) < num_classes])
        players = [players[0], players[-1], *players[1:-1]]
    return found


def rows_for_classes(num_rows: int, *, seed: int, draws: int = PERMUTATIONS) -> NDArray[np.int64]:
    """Return (N, K) row of each class in each draw: permutations of the whole table."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(num_rows) for _ in range(draws)])


@dataclass(frozen=True)
class PairResults:
    """What is known of P held-out pairs, for G candidates.

    Args:
        pairs: (P, 2) classes.
        observed: (P, G) per-class top-1 with the true rows.
        exchanged: (N, G) mean over the pairs with exchanged rows.
        nearest: (P,) per-class top-1 of the nearest seen class, for the chosen candidate.
    """

    pairs: NDArray[np.int64]
    observed: Array
    exchanged: Array
    nearest: Array

    def mean(self, candidate: int) -> float:
        """Return the mean over the pairs."""
        return float(self.observed[:, candidate].mean())

    def interval(self, candidate: int, num_classes: int, *, seed: int) -> tuple[float, float]:
        """Return the 95 % interval over resampled classes; a pair counts as often as both."""
        rng = np.random.default_rng(seed)
        share = np.full(num_classes, 1 / num_classes)
        counts = rng.multinomial(num_classes, share, size=_DRAWS)  # (D, K)
        weights = counts[:, self.pairs[:, 0]] * counts[:, self.pairs[:, 1]]  # (D, P)
        weights = weights[weights.sum(axis=1) > 0]
        means = weights @ self.observed[:, candidate] / weights.sum(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(low), float(high)


def compare_pairs(
    pairs: Iterable[tuple[int, int]],
    scores: LeftOutScores,
    labels: NDArray[np.int64],
    drawn: NDArray[np.int64],
    likeness: Array,
    *,
    chosen: int = 0,
) -> PairResults:
    """Return how well each pair is told apart.

    Args:
        pairs: The pairs; each is held out together.
        scores: Scores of held-out images, in the order of `labels`.
        labels: (n,) seen class of each image.
        drawn: (N, K) rows of the classes in a null without refits; (0, K) for none.
        likeness: (K, K) likeness of rows, for the nearest seen class.
        chosen: Which of the G candidates the nearest seen class is of.
    """
    done, observed, nearest = [], [], []
    total: Array | float = 0.0
    for pair in pairs:
        found = scores(pair)  # (G, b, K)
        truth = labels[np.isin(labels, pair)]
        sides = [found[:, truth == k] for k in pair]
        observed.append(_told_apart(sides, *(np.array([k]) for k in pair))[:, 0])
        if len(drawn):
            total = total + _told_apart(sides, *(drawn[:, k] for k in pair))
        nearest.append(_nearest(sides, pair, likeness, int(labels.max()) + 1, chosen))
        done.append(pair)
    exchanged = np.zeros((0, len(observed[0]))) if isinstance(total, float) else total.T
    return PairResults(
        np.array(done), np.stack(observed), exchanged / len(done), np.array(nearest)
    )


def _told_apart(
    sides: Sequence[Array], rows: NDArray[np.int64], others: NDArray[np.int64]
) -> Array:
    """Return (G, N) per-class top-1 between two rows, for N draws of the two.

    Args:
        sides: (G, b, K) scores of the images of either class.
        rows: (N,) row of the first class in each draw.
        others: (N,) row of the second class.
    """
    num_rows = sides[0].shape[2]
    above, below = np.triu_indices(num_rows, 1)
    if len(above) > len(rows):
        return _shares(sides, rows, others)
    place = np.zeros((num_rows, num_rows), dtype=np.int64)  # of a pair of rows, either way round
    place[above, below] = place[below, above] = np.arange(len(above))
    drawn = _shares(sides, above, below)[:, place[rows, others]]
    return np.where(rows < others, drawn, 1 - drawn)


def _shares(sides: Sequence[Array], rows: NDArray[np.int64], others: NDArray[np.int64]) -> Array:
    """Return the (G, N) per-class top-1 of fixed pairs of rows, ties counting half."""
    first, second = (_lead(side, rows, others) for side in sides)
    return (2 + first - second) / 4


def _lead(side: Array, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Array:
    """Return (G, N) share of images where the first row is ahead, less that of the second."""
    lead = np.zeros((len(side), len(rows)), dtype=np.int32)
    for image in np.ascontiguousarray(side.transpose(1, 0, 2)):  # (G, K)
        one, other = image[:, rows], image[:, others]
        lead += one > other
        lead -= one < other
    found: Array = lead / side.shape[1]
    return found


def _nearest(
    sides: Sequence[Array], pair: tuple[int, int], likeness: Array, num_seen: int, chosen: int
) -> float:
    """Return per-class top-1 of naming the seen class and taking the row most like its row."""
    rest = np.setdiff1d(np.arange(num_seen), pair)
    shares = []
    for own, other, side in ((0, 1, sides[0]), (1, 0, sides[1])):
        named = rest[side[chosen][:, rest].argmax(axis=1)]  # (b,)
        margin = likeness[named, pair[own]] - likeness[named, pair[other]]
        shares.append((np.sign(margin).mean() + 1) / 2)  # of those above zero, ties counting half
    return float(np.mean(shares))


def row_likeness(values: Array) -> Array:
    """Return (K, K) cosines of rows whose attributes were standardised over the table."""
    scaled = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
    found: Array = scaled @ scaled.T
    return found
