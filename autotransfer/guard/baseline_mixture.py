"""The baselines together: a mixture, weighted by what each said of items it never learnt from.

With a few dozen labels nobody can tell which baseline is the best one, and the wrong choice costs
points. A mixture loses little against the best in hindsight. The finalist may be an ensemble of
trials, so it is fair that the baselines may stand together as well. Each is calibrated first: a
network from scratch is far too sure of itself, ridge regression is not sure enough, and whoever
is the surest would decide for all.

A mixture is weighted by likelihood, and may have worse answers than the best of those that it is
made of. Where one alone, calibrated as well, is better by two standard errors, on items that
weighted nothing, it stands for all. Where nothing is better than the class shares, these do. Items
that belong together count as one.

What is chosen so is the rival of the transfer: the best that the user would have got without a
source. It is chosen without the items that test it, so that the test is against one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.guard.out_of_fold import ROUNDS, dealt, others_of
from autotransfer.models.calibration import fit_temperature, tempered
from autotransfer.models.metrics import Metric
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.predictors.baselines import MAJORITY

Predictions = NDArray[np.float64]

PRIOR = 5.0  # items that each baseline is thought to have explained before any is seen
LEAST = 0.05  # of the weight; less is not worth the training
CLEARLY = 2.0  # standard errors by which one alone is better than the mixture


@dataclass(frozen=True)
class Mixture:
    """How several predictors answer together.

    Args:
        weights: What each weighs, by its name; they sum to one.
        temperatures: What the answers of each are softened by, before they are mixed; also of
            those that weigh nothing.
    """

    weights: Mapping[str, float]
    temperatures: Mapping[str, float]

    def mix(self, said: Mapping[str, Predictions]) -> Predictions:
        """Return the weighted mean of predictions, each of them tempered."""
        parts = [w * tempered(said[n], self.temperatures[n]) for n, w in self.weights.items()]
        mean: Predictions = np.sum(parts, axis=0)
        return mean


@dataclass(frozen=True)
class BaselineChoice:
    """The mixture, or one baseline alone.

    Args:
        mixture: Of one baseline where it stands alone.
        best: The baseline with the best score out of fold.
        scores: Out of fold, calibrated: of the best, and of the mixture.
        clearly: Whether the best stands alone because it is better by two standard errors, not
            because nothing else weighs anything, or because nothing was learnt.
    """

    mixture: Mixture
    best: str
    scores: tuple[float, float]
    clearly: bool = False

    @property
    def alone(self) -> str:
        """Return the name of the baseline that stands alone; empty for a mixture."""
        return "".join(self.mixture.weights) if len(self.mixture.weights) == 1 else ""


def choose_baseline(
    said: Mapping[str, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    metric: Metric,
    units: NDArray[np.int64] | None = None,
) -> BaselineChoice:
    """Return the mixture, or one baseline alone where that is clearly better.

    Args:
        said: (m, K) out-of-fold predictions of each baseline by its name; the class shares are
            not mixed.
        folds: (m,) the fold that held each item out.
        labels: (m,) classes.
        metric: The score that is compared.
        units: (m,) what belongs together has one number; None where each item is by itself.
    """
    learnt = {name: p for name, p in said.items() if name != MAJORITY} or said
    together = fit_mixture(learnt, labels)
    mixed, alone = calibrated_out_of_fold(learnt, folds, labels)
    best = max(learnt, key=lambda name: metric.score(labels, alone[name]))
    won = metric.credits(labels, alone[best]) - metric.credits(labels, mixed)
    if units is not None:
        won = np.bincount(np.unique(units, return_inverse=True)[1], won).astype(float)
    gap, error = float(won.sum()), float(won.std() * len(won) ** 0.5)
    clearly = gap > 0 and gap >= CLEARLY * error
    scores = metric.score(labels, alone[best]), metric.score(labels, mixed)
    if MAJORITY in said and metric.score(labels, said[MAJORITY]) >= max(scores):
        return BaselineChoice(Mixture({MAJORITY: 1.0}, {MAJORITY: 1.0}), best, scores)
    if clearly:
        together = Mixture({best: 1.0}, {best: together.temperatures[best]})
    return BaselineChoice(together, best, scores, clearly)


def chosen_out_of_fold(
    said: Mapping[str, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    metric: Metric,
    units: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> tuple[Predictions, tuple[Mixture, ...]]:
    """Return what the choice says of every item, made again without its part in each round.

    The parts are those that the finalist is chosen by, with the same units and seed; the other
    arguments are those of `choose_baseline`.

    Returns:
        (R, m, K) predictions, and what was chosen by round and part.
    """
    shape = next(iter(said.values())).shape
    found, chosen = np.empty((ROUNDS, *shape)), list[Mixture]()
    for place, parts in enumerate(dealt(units, len(labels), seed)):
        for part in np.unique(parts):
            inside, here = others_of(parts, part), parts == part
            others = {name: p[inside] for name, p in said.items()}
            belong = None if units is None else units[inside]
            mixture = choose_baseline(
                others, folds[inside], labels[inside], metric, belong
            ).mixture
            found[place, here] = mixture.mix({n: p[here] for n, p in said.items()})
            chosen.append(mixture)
    return found, tuple(chosen)


def fit_mixture(said: Mapping[str, Predictions], labels: NDArray[np.int64]) -> Mixture:
    """Return the mixture of baselines that explains the labels.

    Maximum a posteriori by expectation maximisation: a baseline weighs as many items as it
    explains, beside `PRIOR` ones in advance. What weighs less than `LEAST` is left out. The
    temperatures come first, each by itself, and are pulled towards 1 by as many items.

    Args:
        said: (m, K) predictions of each baseline by its name.
        labels: (m,) classes.
    """
    temperatures = {n: fit_temperature(p, labels, pull=PRIOR) for n, p in said.items()}
    rows = np.arange(len(labels))
    calibrated = [tempered(p, temperatures[n])[rows, labels] for n, p in said.items()]
    weights = mixture_weights(np.array(calibrated), prior=PRIOR, least=LEAST)
    kept = {n: w for n, w in zip(said, weights.tolist(), strict=True) if w > 0}
    return Mixture(kept, temperatures)


def calibrated_out_of_fold(
    said: Mapping[str, Predictions], folds: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[Predictions, dict[str, Predictions]]:
    """Return what the mixture and each baseline say, weighted and tempered by the other folds.

    Where there is one fold alone, by itself.

    Args:
        said: (m, K) out-of-fold predictions of each baseline by its name.
        folds: (m,) the fold that held each item out.
        labels: (m,) classes.
    """
    mixed = np.empty_like(next(iter(said.values())))
    alone = {name: np.empty_like(p) for name, p in said.items()}
    several = len(np.unique(folds)) > 1
    for fold in np.unique(folds):
        shown = folds == fold
        inside = ~shown if several else shown
        mixture = fit_mixture({n: p[inside] for n, p in said.items()}, labels[inside])
        mixed[shown] = mixture.mix({n: p[shown] for n, p in said.items()})
        for name, p in said.items():
            alone[name][shown] = tempered(p[shown], mixture.temperatures[name])
    return mixed, alone
