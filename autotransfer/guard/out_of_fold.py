"""Testing without holding out: every item is predicted by a choice that it had no part in.

All trials share the folds of the search, so that the model which predicts an item never saw it.
What remains is the choice: the trial, its ensemble, its temperature. The items are dealt into
three parts at random; for each part the choice is made again from the two others alone. That is
repeated, each *round* with other parts, because a single partition adds the luck of its own: on
which side of it the items lie that decide. The score is the mean over the rounds, the expected one
of choosing by two thirds of the items. Items that belong together are in the same part.

A source that made the shortlist only with the fold's own labels is not chosen for it either. One
thing is not repeated for each fold: what the sampler made of earlier scores when it proposed
later trials. `competition_bound` says how much that could matter at worst.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.calibration import fit_temperature, tempered
from autotransfer.search.choice import Choice, Terms, choose

Predictions = NDArray[np.float64]

ROUNDS = 5  # partitions; more of them narrow the interval little
PARTS = 3


@dataclass(frozen=True)
class OutOfFold:
    """What the procedure says of every item.

    Args:
        rounds: (R, m, K) in the order of the trials' predictions, tempered.
        raw: (m, K) the mean over the rounds without the last temperature.
        chosen: What was chosen, by round and part, in each fold that has items of the part.
    """

    rounds: Predictions
    raw: Predictions
    chosen: tuple[Choice, ...]

    @property
    def probabilities(self) -> Predictions:
        """Return the (m, K) mean over the rounds."""
        mean: Predictions = self.rounds.mean(axis=0)
        return mean


def select_out_of_fold(
    trials: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    terms: Terms,
    *,
    allowed: Sequence[Collection[int]] = (),
    units: NDArray[np.int64] | None = None,
    rounds: int = ROUNDS,
) -> OutOfFold:
    """Return out-of-fold predictions of the whole procedure of choosing.

    Args:
        trials: (m, K) validation probabilities of each complete trial, by its number.
        folds: (m,) the fold that held each item out.
        labels: (m,) classes.
        terms: What a choice is made by; its seed deals out the parts.
        allowed: For each fold in order, the trials whose sources would have been tried without
            it; none given, or none left of them, allows all.
        units: (m,) what belongs together; None takes every item by itself.
        rounds: Number R of partitions.
    """
    shape = next(iter(trials.values())).shape
    found, raw, chosen = np.empty((rounds, *shape)), np.zeros(shape), list[Choice]()
    tried = [frozenset(trials) & frozenset(a) or frozenset(trials) for a in allowed]
    for place, parts in enumerate(dealt(units, len(labels), terms.seed, rounds)):
        for part in np.unique(parts):
            inside = others_of(parts, part)
            for numbers in dict.fromkeys(tried) or [frozenset(trials)]:
                here = (parts == part) & _folds_of(numbers, tried, folds)
                if not here.any():
                    continue
                candidates = {n: trials[n] for n in trials if n in numbers}
                others = {n: p[inside] for n, p in candidates.items()}
                choice = choose(others, folds[inside], labels[inside], terms)
                temperature = fit_temperature(choice.mix(others), labels[inside])
                mean = choice.mix({n: p[here] for n, p in candidates.items()})
                found[place, here] = tempered(mean, temperature)
                raw[here] += mean / rounds
                chosen.append(choice)
    return OutOfFold(found, raw, tuple(chosen))


def dealt(
    units: NDArray[np.int64] | None, m: int, seed: int, rounds: int = ROUNDS
) -> Iterator[NDArray[np.int64]]:
    """Yield the (m,) part of each item, round by round; the same for the same units and seed.

    Args:
        units: (m,) what belongs together and is in one part; None takes every item by itself.
        m: Number of items.
        seed: Deals.
        rounds: How often.
    """
    unit_of = np.arange(m) if units is None else np.unique(units, return_inverse=True)[1]
    rng, num_units = np.random.default_rng(seed), int(unit_of.max()) + 1
    for _ in range(rounds):
        yield (rng.permutation(num_units) % PARTS)[unit_of]


def others_of(parts: NDArray[np.int64], part: int) -> NDArray[np.bool_]:
    """Return which items choose for a part: the others, or itself where there are none."""
    inside: NDArray[np.bool_] = parts != part
    return inside if inside.any() else np.ones_like(inside)


def _folds_of(
    numbers: frozenset[int], tried: Sequence[frozenset[int]], folds: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which items lie in a fold for which these candidates were tried."""
    if not tried:
        return np.ones(len(folds), dtype=np.bool_)
    held = [fold for fold, its in zip(np.unique(folds), tried, strict=True) if its == numbers]
    mine: NDArray[np.bool_] = np.isin(folds, held)
    return mine
