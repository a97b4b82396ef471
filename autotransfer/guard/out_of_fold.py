"""Testing without sealing: every picture is predicted by a choice that it had no part in.

All trials share the folds of the search. For each fold, what is chosen by validation (the trial,
its ensemble, its temperature) is chosen again from the other folds alone, and the model that
never saw the fold predicts it. What is tested is so the whole procedure, at the share of the
pictures that a fold trains on, and no picture is given up.

A source that made the shortlist only with the fold's own labels is not chosen for it either. One
thing is not repeated for each fold: what the sampler made of earlier scores when it proposed
later trials. `competition_bound` says how much that could matter at worst.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.ensemble import choose
from autotransfer.evaluation.folds import mean_over_folds
from autotransfer.evaluation.metrics import Metric, metric_named
from autotransfer.guard.calibration import fit_temperature, tempered

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class OutOfFold:
    """What the procedure says of every picture.

    Args:
        probabilities: (m, K) in the order of the trials' predictions.
        chosen: How often each trial was chosen, by its number, for each fold.
    """

    probabilities: Predictions
    chosen: tuple[Mapping[int, int], ...]


def select_out_of_fold(
    trials: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    metric: Metric,
    *,
    combine: bool,
    seed: int,
    allowed: Sequence[Collection[int]] = (),
) -> OutOfFold:
    """Return out-of-fold predictions of the procedure "choose the best trial".

    Args:
        trials: (m, K) validation probabilities of each complete trial, by its number.
        folds: (m,) the fold that held each picture out.
        labels: (m,) classes.
        metric: What is maximised.
        combine: Whether an ensemble may replace the best trial.
        seed: Seeds the standard error that an ensemble has to gain.
        allowed: For each fold in order, the trials whose sources would have been tried without
            it; none given, or none left of them, allows all.
    """
    found = np.empty_like(next(iter(trials.values())))
    chosen = []
    for place, fold in enumerate(np.unique(folds)):
        inside = folds != fold
        if not inside.any():  # a single fold leaves nothing to choose from
            inside = ~inside
        tried = [n for n in trials if n in allowed[place]] if allowed else []
        others = {number: trials[number][inside] for number in tried or trials}
        weights = select(others, folds[inside], labels[inside], metric, combine=combine, seed=seed)
        mean = mixed(trials, weights)
        temperature = fit_temperature(mean[inside], labels[inside])
        found[folds == fold] = tempered(mean[folds == fold], temperature)
        chosen.append(weights)
    return OutOfFold(found, tuple(chosen))


def select(
    trials: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    metric: Metric,
    *,
    combine: bool,
    seed: int,
) -> Mapping[int, int]:
    """Return the weight of each chosen trial: the best one, or a worthwhile ensemble.

    The best has the highest mean score over the folds, every picture weighing the same; of equals
    the lower log loss decides.
    """
    if combine and len(trials) > 1:
        choice = choose(trials, labels, metric, seed=seed)
        if choice.worthwhile:
            return choice.weights
    loss = metric_named("log_loss")
    parts = [folds == fold for fold in np.unique(folds)]
    sizes = [int(part.sum()) for part in parts]

    def standing(number: int) -> tuple[float, float, int]:
        p = trials[number]
        scores = [metric.score(labels[part], p[part]) for part in parts]
        losses = [loss.score(labels[part], p[part]) for part in parts]
        return mean_over_folds(scores, sizes), mean_over_folds(losses, sizes), -number

    return {max(trials, key=standing): 1}


def mixed(trials: Mapping[int, Predictions], weights: Mapping[int, int]) -> Predictions:
    """Return the weighted mean of the chosen trials' predictions."""
    total = sum(weights.values())
    mean: Predictions = np.sum([w / total * trials[n] for n, w in weights.items()], axis=0)
    return mean
