"""Which candidate is returned: the obvious, unless another one is worth it.

A validation score is believed only as far as it holds up when the choice is made again. The
incumbent is the obvious: the mixture of the probes of all sources. The challenger is a mixture of
the incumbent and of the best other candidates, weighted by expectation maximisation on what they
said of items that they had not learnt from, beside a prior that is on the side of the incumbent
(or, where nothing may be put together, the best single candidate). Its gain is measured on folds
that had no part in choosing it: however many candidates were looked at, the choice among them is
repeated for every fold, so their luck does not count. It replaces the incumbent only where the
gain to be expected is above zero, given the measured one and what is known of such gains before
(`expected_gain.py`): with thirty items that decides, with three thousand the measurement does.
Where nothing is known, the measured gain has to be at least one standard error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.calibration import fit_temperature, tempered
from autotransfer.models.metrics import Metric, log_right
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.search.expected_gain import Expected, Gain, standard_error

Predictions = NDArray[np.float64]

INCUMBENT_PRIOR = 10.0  # items that the incumbent is taken to have explained before any is seen
CHALLENGER_PRIOR = 1.0
MOST_CHALLENGERS = 10  # the best by log loss
LEAST_ERRORS = 1.0  # standard errors that a challenger has to gain, where nothing is known
LEAST_WEIGHT = 0.05  # less is not worth the training
MOST_NUMBERS = 4_000_000  # of a candidate that are looked at; of more, rows at even distances
LEAST_FOLDS = 3  # for choosing again; where the search has fewer, items are dealt out anew
_TEMPERATURE_PULL = 5.0  # items' worth towards 1
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Choice:
    """What is returned.

    Args:
        weights: Share of each candidate, by its number; they sum to one.
        temperatures: What the probabilities of each are softened by before they are mixed.
        gain: Of the score over the incumbent, on folds that had no part in the choice; 0 for the
            incumbent itself.
        error: Standard error of the gain that decided: that one, or in nats the gain in log loss.
        incumbent: Number of the candidate that had to be beaten.
    """

    weights: Mapping[int, float]
    temperatures: Mapping[int, float] = field(default_factory=dict)
    gain: float = 0.0
    error: float = 0.0
    incumbent: int = 0

    def mix(self, said: Mapping[int, Predictions]) -> Predictions:
        """Return the (m, K) weighted mean of what the candidates say."""
        parts = [
            weight * tempered(said[number], self.temperatures.get(number, 1.0))
            for number, weight in self.weights.items()
        ]
        mean: Predictions = np.sum(parts, axis=0)
        return mean


@dataclass(frozen=True)
class Terms:
    """What a choice is made by.

    Args:
        metric: What is maximised.
        obvious: Numbers of the obvious candidates, in the order of preference; the first one that
            is there is the incumbent. Without any it is the best single candidate.
        combine: Whether candidates may be put together.
        temper: Whether probabilities are compared as sure as they turned out to be.
        by_class: Whether folds hold out classes: the items of one gain or lose together, so that
            the error of a gain is one over classes.
        by_domain: Whether folds leave out domains: the gain is the mean over them, its error one
            over them, and the worst domain must not become worse.
        seed: Deals out the items where the search has too few folds.
        expected: What is known of gains over the incumbent; None is nothing.
        trained: Numbers of the candidates that train a network.
    """

    metric: Metric
    obvious: Sequence[int] = ()
    combine: bool = True
    temper: bool = True
    by_class: bool = False
    by_domain: bool = False
    seed: int = 0
    expected: Expected | None = None
    trained: Collection[int] = ()

    def gain(self, challenger: Collection[int]) -> Gain | None:
        """Return what is known of the gain of some candidates together."""
        if self.expected is None:
            return None
        trains = any(number in self.trained for number in challenger)
        known = self.expected.trained if trains else self.expected.frozen
        return known.of(self.metric)


def choose(
    said: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    terms: Terms,
) -> Choice:
    """Return which candidates are returned, and with which weights.

    Args:
        said: (m, K) validation probabilities of each candidate, by its number.
        folds: (m,) the fold that held each item out.
        labels: (m,) classes.
        terms: The score, and what is obvious.
    """
    said, folds, labels = _thinned(said, folds, labels)
    incumbent = _incumbent(said, labels, terms)
    kept = _alone(incumbent, said, labels, terms)
    challenger = _challenger(incumbent, said, labels, terms)
    if challenger.weights == kept.weights:
        return kept
    again = folds if terms.by_domain and len(np.unique(folds)) > 1 else _dealt(folds, terms.seed)
    measured = _measured_again(said, again, labels, terms)
    if terms.by_domain and measured.worst < -_TOLERANCE:
        return kept
    known = terms.gain(challenger.weights)
    if known is None:
        error, taken = _clearly_better(measured, labels, terms)
    else:
        error = measured.error(terms.metric)
        taken = known.given(measured.gain, error) > _TOLERANCE
    if not taken:
        return kept
    return Choice(challenger.weights, challenger.temperatures, measured.gain, error, incumbent)


def _incumbent(said: Mapping[int, Predictions], labels: NDArray[np.int64], terms: Terms) -> int:
    """Return the first obvious candidate that is there, else the one with the best score."""
    for number in terms.obvious:
        if number in said:
            return number

    def priority(number: int) -> tuple[float, float, int]:
        likely = float(log_right(labels, said[number]).mean())
        return terms.metric.score(labels, said[number]), likely, -abs(number)

    return max(said, key=priority)


def _alone(
    number: int, said: Mapping[int, Predictions], labels: NDArray[np.int64], terms: Terms
) -> Choice:
    temperature = _temperature(said[number], labels, terms)
    return Choice({number: 1.0}, {number: temperature}, incumbent=number)


def _challenger(
    incumbent: int, said: Mapping[int, Predictions], labels: NDArray[np.int64], terms: Terms
) -> Choice:
    """Return the best that the candidates give, with no regard to their luck."""
    losses = {n: -float(log_right(labels, p).mean()) for n, p in said.items() if n != incumbent}
    best = sorted(losses, key=lambda n: (losses[n], abs(n)))[:MOST_CHALLENGERS]
    temperatures = {n: _temperature(said[n], labels, terms) for n in (incumbent, *best)}
    likely = np.stack(
        [np.exp(log_right(labels, tempered(said[n], t))) for n, t in temperatures.items()]
    )
    if not terms.combine:
        winner = list(temperatures)[int(np.argmax(np.log(likely).mean(axis=1)))]
        return Choice({winner: 1.0}, {winner: temperatures[winner]})
    prior = np.full(len(likely), CHALLENGER_PRIOR)
    prior[0] = INCUMBENT_PRIOR
    weights = mixture_weights(likely, prior=prior, least=LEAST_WEIGHT)
    found = {n: float(w) for n, w in zip(temperatures, weights, strict=True) if w > 0}
    return Choice(found, {n: temperatures[n] for n in found})


def measured_gain(
    said: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    terms: Terms,
) -> tuple[float, float]:
    """Return what the best that the candidates give gains in the score, and its standard error.

    The arguments are those of `choose`.
    """
    said, folds, labels = _thinned(said, folds, labels)
    measured = _measured_again(said, _dealt(folds, terms.seed), labels, terms)
    return measured.gain, measured.error(terms.metric)


def _thinned(
    said: Mapping[int, Predictions], folds: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[Mapping[int, Predictions], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows at even distances where there are too many to look at."""
    step = max(1, -(-next(iter(said.values())).size // MOST_NUMBERS))
    return {number: p[::step] for number, p in said.items()}, folds[::step], labels[::step]


class _Measured(NamedTuple):
    """What a challenger gains on each fold that it is chosen without.

    Args:
        losses: (m,) gains of each item in log loss, nats.
        credits: (m,) gains of each item in the score.
        gain: Of the score over all items, or the mean over domains.
        worst: Of the score in the worst fold of each.
        by_domain: (f,) gains of each domain in the score; None where items are the unit.
    """

    losses: NDArray[np.float64]
    credits: NDArray[np.float64]
    gain: float
    worst: float = 0.0
    by_domain: NDArray[np.float64] | None = None

    def error(self, metric: Metric) -> float:
        """Return the standard error of the gain of the score."""
        if self.by_domain is not None:
            return float(self.by_domain.std(ddof=1) / len(self.by_domain) ** 0.5)
        m, own = len(self.credits), len(self.credits) * self.credits
        return standard_error(float(np.square(own).sum()), float(own.mean()), m, metric)


def _measured_again(
    said: Mapping[int, Predictions],
    folds: NDArray[np.int64],
    labels: NDArray[np.int64],
    terms: Terms,
) -> _Measured:
    first, metric = next(iter(said.values())), terms.metric
    challenger, incumbent = np.empty_like(first), np.empty_like(first)
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        others = {n: p[inside] for n, p in said.items()}
        away = {n: p[outside] for n, p in said.items()}
        number = _incumbent(others, labels[inside], terms)
        chosen = _challenger(number, others, labels[inside], terms)
        challenger[outside] = chosen.mix(away)
        incumbent[outside] = _alone(number, others, labels[inside], terms).mix(away)
    losses = log_right(labels, challenger) - log_right(labels, incumbent)
    credits = metric.credits(labels, challenger) - metric.credits(labels, incumbent)
    if not terms.by_domain:
        gain = metric.score(labels, challenger) - metric.score(labels, incumbent)
        return _Measured(losses, credits, gain)
    own, kept = (
        np.array([metric.score(labels[folds == f], said[folds == f]) for f in np.unique(folds)])
        for said in (challenger, incumbent)
    )
    worst = float(own.min() - kept.min())
    return _Measured(losses, credits, float((own - kept).mean()), worst, own - kept)


def _clearly_better(
    measured: _Measured, labels: NDArray[np.int64], terms: Terms
) -> tuple[float, bool]:
    """Return the standard error of the gain in log loss, and whether it is smaller than that."""
    gains = measured.losses
    if terms.by_class:
        gains = np.array([gains[labels == label].mean() for label in np.unique(labels)])
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    enough = gains.mean() >= max(LEAST_ERRORS * error, _TOLERANCE)
    return error, bool(enough and measured.gain >= -_TOLERANCE)


def _dealt(folds: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the folds; where there are too few to choose by, items dealt out at random."""
    if len(np.unique(folds)) >= LEAST_FOLDS:
        return folds
    order = np.random.default_rng(seed).permutation(len(folds))
    return order % LEAST_FOLDS


def _temperature(probabilities: Predictions, labels: NDArray[np.int64], terms: Terms) -> float:
    if not terms.temper:
        return 1.0
    return fit_temperature(probabilities, labels, pull=_TEMPERATURE_PULL)
