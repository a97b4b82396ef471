"""Testing without sealing: every item is predicted by a choice that it had no part in.

All trials share the folds of the search. For each fold, what is chosen by validation (the trial,
its ensemble, its temperature) is chosen again from the other folds alone, and the model that
never saw the fold predicts it. What is tested is so the whole procedure, at the share of the
items that a fold trains on, and no item is given up.

A source that made the shortlist only with the fold's own labels is not chosen for it either. One
thing is not repeated for each fold: what the sampler made of earlier scores when it proposed
later trials. `competition_bound` says how much that could matter at worst.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.calibration import fit_temperature, tempered
from autotransfer.search.choice import Choice, Terms, choose

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class OutOfFold:
    """What the procedure says of every item.

    Args:
        probabilities: (m, K) in the order of the trials' predictions, tempered.
        raw: The same without the last temperature.
        chosen: What was chosen for each fold.
    """

    probabilities: Predictions
    raw: Predictions
    chosen: tuple[Choice, ...]


def select_out_of_fold(
    trials: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    terms: Terms,
    *,
    allowed: Sequence[Collection[int]] = (),
) -> OutOfFold:
    """Return out-of-fold predictions of the whole procedure of choosing.

    Args:
        trials: (m, K) validation probabilities of each complete trial, by its number.
        folds: (m,) the fold that held each item out.
        labels: (m,) classes.
        terms: What a choice is made by.
        allowed: For each fold in order, the trials whose sources would have been tried without
            it; none given, or none left of them, allows all.
    """
    raw = np.empty_like(next(iter(trials.values())))
    found, chosen = np.empty_like(raw), []
    for place, fold in enumerate(np.unique(folds)):
        inside = folds != fold
        if not inside.any():  # a single fold leaves nothing to choose from
            inside = ~inside
        tried = [n for n in trials if n in allowed[place]] if allowed else []
        others = {number: trials[number][inside] for number in tried or trials}
        choice = choose(others, folds[inside], labels[inside], terms)
        mean = choice.mix(trials)
        temperature = fit_temperature(mean[inside], labels[inside])
        raw[folds == fold] = mean[folds == fold]
        found[folds == fold] = tempered(mean[folds == fold], temperature)
        chosen.append(choice)
    return OutOfFold(found, raw, tuple(chosen))
