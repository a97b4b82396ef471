"""TrAdaBoost: boosting that trusts a source row less each time it is misclassified."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import heads

CAP = 10.0  # largest weight of a target row, in units of their mean: one wrong label is not all


@dataclass(frozen=True)
class Vote:
    """Linear heads, each with a weight.

    Args:
        voters: One for each round that votes.
        weights: (T,) positive.
    """

    voters: tuple[heads.LinearHead, ...]
    weights: NDArray[np.float64]

    def probabilities(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n, K) weighted mean of the heads' probabilities of (n, d) rows."""
        shares = self.weights / self.weights.sum()
        parts = [
            share * head.probabilities(x) for share, head in zip(shares, self.voters, strict=True)
        ]
        mean: NDArray[np.float64] = np.sum(parts, axis=0)
        return mean


@dataclass(frozen=True)
class Boosting:
    """How TrAdaBoost is run.

    Args:
        rounds: N, at most so many.
        source_share: Share of the source rows in the weight at the start, in (0, 1).
        regularisation: Multiplier of the penalty of the learner, a logistic regression whose
            rows count as one each on average.
    """

    rounds: int = 20
    source_share: float = 0.5
    regularisation: float = 1.0


def tradaboost(
    source: tuple[NDArray[np.floating], NDArray[np.int64]],
    target: tuple[NDArray[np.floating], NDArray[np.int64]],
    num_classes: int,
    boosting: Boosting,
) -> Vote:
    """Return the vote of the last half of the rounds.

    Target rows gain weight when they are misclassified, as in AdaBoost; source rows lose it, by
    the factor 1 / (1 + sqrt(2 ln n_s / N)). The paper covers two classes;
    with K of them a round ends the boosting when its error on the target is 1 - 1/K or more, and
    the weight of a round has the term ln(K - 1) (Zhu et al., Multi-class AdaBoost, 2009).

    Args:
        source: (n_s, d) rows and their (n_s,) classes.
        target: (n_t, d) rows and their (n_t,) classes.
        num_classes: K.
        boosting: How it is run.

    References:
        Dai et al., Boosting for Transfer Learning, ICML 2007, algorithm 1.
    """
    x = np.concatenate([source[0], target[0]]).astype(np.float64)
    y = np.concatenate([source[1], target[1]])
    n_s, n_t = len(source[1]), len(target[1])
    share = boosting.source_share
    weights = np.repeat([share / n_s, (1 - share) / n_t], [n_s, n_t])
    shrink = math.log1p(math.sqrt(2 * math.log(n_s) / boosting.rounds))
    strength = heads.DEFAULT_C / boosting.regularisation
    voters: list[heads.LinearHead] = []
    votes: list[float] = []
    solver = None
    for _ in range(boosting.rounds):
        weights = _capped(weights / weights.sum(), n_s)
        solver = heads.solve_logistic(x, y, strength, weights * len(y), again=solver)
        head = heads.full_head(solver, num_classes)
        wrong = head.logits(x).argmax(axis=1) != y
        error = float(weights[n_s:] @ wrong[n_s:] / weights[n_s:].sum())
        if error >= 1 - 1 / num_classes and voters:
            break
        voters.append(head)
        votes.append(_vote(error, n_t, num_classes))
        weights = weights * np.exp(np.r_[-shrink * wrong[:n_s], votes[-1] * wrong[n_s:]])
    half = len(voters) // 2
    return Vote(tuple(voters[half:]), np.array(votes[half:]))


def _vote(error: float, n_target: int, num_classes: int) -> float:
    """Return ln((1 - error) / error) + ln(K - 1), which is positive below 1 - 1/K.

    No error on so few rows is no proof of none: it counts as half a row.
    """
    error = min(max(error, 0.5 / n_target), 1 - 1 / num_classes - 1e-6)
    return math.log((1 - error) / error) + math.log(num_classes - 1)


def _capped(weights: NDArray[np.float64], n_source: int) -> NDArray[np.float64]:
    """Return weights that sum to one, no target row above `CAP` times their mean."""
    capped = weights.copy()
    capped[n_source:] = np.minimum(weights[n_source:], CAP * weights[n_source:].mean())
    normalised: NDArray[np.float64] = capped / capped.sum()
    return normalised
