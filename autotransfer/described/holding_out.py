"""Scores of pictures whose classes were held out, from the closed form of ESZSL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.described.eszsl import PENALTIES, Array, Decomposition, Eszsl, row_kernel


@dataclass(frozen=True)
class LeftOut:
    """ESZSL with every way of leaving classes out, penalties in units of the mean eigenvalues.

    Args:
        problem: The seen classes' pictures and rows, decomposed.
        labels: (n,) classes in [0, K).
        rows: (K, a) scaled rows of the seen classes.
        gammas: Penalties on features, absolute.
        lams: Penalties on attributes, absolute.
    """

    problem: Eszsl
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
        """Return (G, b, c) scores of the group's pictures by fits without the group's classes.

        Args:
            group: Classes that are left out together, pictures and rows.
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
