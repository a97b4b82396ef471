"""Scores of images whose classes were held out, from the closed form of ESZSL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.zero_shot.eszsl import PENALTIES, Array, Decomposition, Eszsl, row_kernel

_CHUNK = 20_000_000  # numbers of inverses that are held at once


class ClassEvidence(Protocol):
    """Which seen classes images look like, by fits that did not learn from them."""

    def left_out_evidence(self, positions: NDArray[np.int64], gamma: float) -> Array:
        """Return the (b, K) evidence of images that are left out together."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """ESZSL with every way of leaving classes out, penalties in units of the mean eigenvalues.

    Args:
        problem: The seen classes' images, of one source or of several.
        labels: (n,) classes in [0, K).
        rows: (K, a) scaled rows of the seen classes.
        gammas: Penalties on features, in the units of the problem.
        lams: Penalties on attributes, absolute.
    """

    problem: ClassEvidence
    labels: NDArray[np.int64]
    rows: Array
    gammas: tuple[float, ...]
    lams: tuple[float, ...]

    @classmethod
    def of(
        cls,
        z: Decomposition,
        labels: NDArray[np.int64],
        rows: Array,
        penalties: Sequence[float] = PENALTIES,
    ) -> LeftOut:
        """Return the problem of decomposed features (n, d) and (K, a) scaled rows."""
        problem = Eszsl.of(z, labels, rows)
        return cls(
            problem,
            labels,
            rows,
            tuple(g * problem.features.unit for g in penalties),
            tuple(p * problem.rows.unit for p in penalties),
        )

    def scores(self, group: Sequence[int], others: Array) -> Array:
        """Return (G, b, c) scores of the group's images by fits without the group's classes.

        Args:
            group: Classes that are left out together, images and rows.
            others: (c, a) scaled rows to score.

        Returns:
            One (b, c) table for every pair of penalties, lambdas within gammas.
        """
        positions = np.flatnonzero(np.isin(self.labels, group))
        kept = np.setdiff1d(np.arange(len(self.rows)), group)
        kernels = [row_kernel(self.rows[kept], others, lam) for lam in self.lams]
        tables = []
        for gamma in self.gammas:
            evidence = self.problem.left_out_evidence(positions, gamma)[:, kept]
            tables += [evidence @ kernel for kernel in kernels]
        return np.stack(tables)

    def exchanged(
        self, pairs: Sequence[tuple[int, int]], drawn: NDArray[np.int64], table: Array
    ) -> Array:
        """Return (N, G) mean per-class top-1 over held-out pairs, fitted with exchanged rows.

        For each draw everything is fitted again with row `drawn[n, k]` in the place of row k. The
        inverse of the seen classes' Gram gives every fit without a pair:
        K_rr^-1 K_rp = -J_rp J_pp^-1 with J the inverse, r the rest and p the pair.

        Args:
            pairs: Pairs of seen classes.
            drawn: (N, K) row of each class.
            table: (K, a) scaled rows of all classes, the seen ones first.
        """
        chunk = max(_CHUNK // (len(self.lams) * len(self.rows) ** 2), 1)
        parts = [
            self._exchanged(pairs, drawn[start : start + chunk, : len(self.rows)], table)
            for start in range(0, len(drawn), chunk)
        ]
        return np.concatenate(parts)

    def _exchanged(
        self, pairs: Sequence[tuple[int, int]], drawn: NDArray[np.int64], table: Array
    ) -> Array:
        gram = (table @ table.T)[drawn[:, :, None], drawn[:, None, :]]  # (N, K, K)
        ridge = np.multiply.outer(np.array(self.lams), np.eye(len(self.rows)))  # (L, K, K)
        inverse = np.linalg.inv(gram[:, None] + ridge)  # (N, L, K, K)
        total = np.zeros((len(self.gammas), len(drawn) * len(self.lams)))
        for pair in pairs:
            kept = np.setdiff1d(np.arange(len(self.rows)), pair)
            chosen = list(pair)
            corner = np.linalg.inv(inverse[:, :, chosen][:, :, :, chosen])
            kernel = -inverse[:, :, kept][:, :, :, chosen] @ corner  # (N, L, K - 2, 2)
            toward = (kernel[..., 0] - kernel[..., 1]).reshape(-1, len(kept)).T
            positions = np.flatnonzero(np.isin(self.labels, pair))
            first = self.labels[positions] == pair[0]
            for place, gamma in enumerate(self.gammas):
                evidence = self.problem.left_out_evidence(positions, gamma)[:, kept]
                total[place] += _told_apart(evidence[first] @ toward, evidence[~first] @ toward)
        means = total.reshape(len(self.gammas), len(drawn), len(self.lams)) / len(pairs)
        return means.transpose(1, 0, 2).reshape(len(drawn), -1)

    def accuracies(self, groups: Sequence[Sequence[int]]) -> Array:
        """Return (G,) mean per-class top-1 among the classes of each group, over the groups."""
        found: Array = np.mean([self._accuracy(group) for group in groups], axis=0)
        return found

    def _accuracy(self, group: Sequence[int]) -> Array:
        chosen = np.sort(np.asarray(group))
        guesses = chosen[self.scores(chosen.tolist(), self.rows[chosen]).argmax(axis=2)]  # (G, b)
        truth = self.labels[np.isin(self.labels, chosen)]
        hits = guesses == truth
        found: Array = np.mean([hits[:, truth == k].mean(axis=1) for k in chosen], axis=0)
        return found

    def penalties_at(self, place: int) -> tuple[float, float]:
        """Return the (gamma, lambda) of one of the G tables."""
        return self.gammas[place // len(self.lams)], self.lams[place % len(self.lams)]


def _told_apart(first: Array, second: Array) -> Array:
    """Return the (m,) per-class top-1 of margins (b, m) towards the first class; ties half."""
    leads = [((x > 0).sum(axis=0) - (x < 0).sum(axis=0)) / len(x) for x in (first, second)]
    found: Array = (2 + leads[0] - leads[1]) / 4
    return found


def partitions(num_classes: int, size: int, repeats: int, *, seed: int) -> Iterator[list[int]]:
    """Yield groups of classes; in every repeat each class is in exactly one.

    Args:
        num_classes: K.
        size: Least number of classes in a group.
        repeats: Number of partitions.
        seed: Same seed, same groups.
    """
    rng = np.random.default_rng(seed)
    count = max(num_classes // size, 1)
    for _ in range(repeats):
        for part in np.array_split(rng.permutation(num_classes), count):
            yield sorted(part.tolist())
