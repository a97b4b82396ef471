"""An ensemble of finished trials: greedy selection on what they said of validation pictures.

It is one more candidate, and has to earn it: where the gain over the best single trial is below
one standard error, the single trial stays the finalist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.evaluation.metrics import Metric, metric_named
from autotransfer.guard.calibration import tempered, tempered_tensor
from autotransfer.problem import Json, Source, source_from_json, source_to_json
from autotransfer.strategy import FeatureReader, Predictor, PredictorState, TensorReader

ENSEMBLE = "ensemble"
MOST_MEMBERS = 10  # counted with repetitions
_DRAWS = 400
_LEAST_GAIN = 1e-9

Restore: TypeAlias = Callable[
    [str, Mapping[str, Tensor], Mapping[str, Json], Source | None], Predictor
]


@dataclass(frozen=True)
class Choice:
    """Which trials go together.

    Args:
        weights: How often each trial was chosen, by its number.
        value: Validation score of their mean prediction.
        log_loss: Its log loss.
        gain: `value` less that of the best single trial.
        error: Standard error of the gain over validation pictures.
    """

    weights: Mapping[int, int]
    value: float
    log_loss: float
    gain: float
    error: float

    @property
    def worthwhile(self) -> bool:
        """Return whether the gain is at least one standard error and more than one trial's."""
        return len(self.weights) > 1 and self.gain >= max(self.error, _LEAST_GAIN)


def choose(
    predictions: Mapping[int, NDArray[np.float64]],
    labels: NDArray[np.int64],
    metric: Metric,
    *,
    seed: int,
) -> Choice:
    """Return the greedy forward selection with replacement.

    Starts from the best trial and adds the one that raises the score of the mean prediction most
    (of equals the one with the lower log loss), until none does.

    Args:
        predictions: (n, K) validation probabilities of each trial, by its number.
        labels: (n,) classes.
        metric: What is maximised.
        seed: Seeds the bootstrap of the standard error.

    References:
        Caruana et al., Ensemble selection from libraries of models, ICML 2004.
    """
    loss = metric_named("log_loss")

    def standing(probabilities: NDArray[np.float64]) -> tuple[float, float]:
        return metric.score(labels, probabilities), loss.score(labels, probabilities)

    first = max(predictions, key=lambda n: (*standing(predictions[n]), -n))
    chosen, total, best = [first], predictions[first].copy(), standing(predictions[first])
    while len(chosen) < MOST_MEMBERS:
        count = len(chosen) + 1
        candidates = {n: standing((total + p) / count) for n, p in predictions.items()}
        number = max(candidates, key=lambda n: (*candidates[n], -n))
        if candidates[number] <= best:
            break
        best = candidates[number]
        chosen.append(number)
        total += predictions[number]
    together = total / len(chosen)
    gain = best[0] - metric.score(labels, predictions[first])
    error = _standard_error(together, predictions[first], labels, metric, seed)
    return Choice(dict(Counter(chosen)), best[0], -best[1], gain, error)


def _standard_error(
    together: NDArray[np.float64],
    single: NDArray[np.float64],
    labels: NDArray[np.int64],
    metric: Metric,
    seed: int,
) -> float:
    """Return the paired bootstrap standard error of the gain."""
    rng = np.random.default_rng(seed)
    gains = []
    for _ in range(_DRAWS):
        drawn = rng.integers(len(labels), size=len(labels))
        if len(np.unique(labels[drawn])) < 2:
            continue
        gains.append(
            metric.score(labels[drawn], together[drawn])
            - metric.score(labels[drawn], single[drawn])
        )
    return float(np.std(gains)) if gains else float("inf")


@dataclass(frozen=True)
class Member:
    """One trial of an ensemble, or one baseline of several.

    Args:
        strategy: Name of the strategy, or of the baseline, which restores it.
        source: The source that it reads; None where it reads pixels alone.
        weight: How much it counts beside the others.
        predictor: Its answer.
        temperature: What its probabilities are softened by before they are added.
    """

    strategy: str
    source: Source | None
    weight: float
    predictor: Predictor
    temperature: float = 1.0


@dataclass(frozen=True)
class EnsemblePredictor(Predictor):
    """The weighted mean of the members' probabilities."""

    members: tuple[Member, ...]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        total = sum(member.weight for member in self.members)
        parts = []
        for member in self.members:
            own = features if member.source is None else features.of(member.source)
            said = tempered(member.predictor.predict(images, own), member.temperature)
            parts.append(member.weight / total * said)
        mean: NDArray[np.float64] = np.sum(parts, axis=0)
        return mean

    @override
    def traced(self, features: TensorReader) -> Tensor:
        total = sum(member.weight for member in self.members)
        parts = []
        for member in self.members:
            own = features if member.source is None else features.of(member.source)
            said = tempered_tensor(member.predictor.traced(own), member.temperature)
            parts.append(member.weight / total * said)
        return torch.stack(parts).sum(dim=0)

    @override
    def state(self) -> PredictorState:
        tensors: dict[str, Tensor] = {}
        members = []
        for number, member in enumerate(self.members):
            own, info = member.predictor.state()
            tensors |= {f"{number}.{name}": tensor for name, tensor in own.items()}
            places = [self._place(source) for source in _read_by(member)]
            members.append(
                {
                    "strategy": member.strategy,
                    "weight": member.weight,
                    "temperature": member.temperature,
                    "info": info,
                    "sources": places,
                }
            )
        companions = [source_to_json(source) for source in self.companions]
        return tensors, {"members": members, "companions": companions}

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the different sources that members read, that of the first member first."""
        read = [source for member in self.members for source in _read_by(member)]
        return tuple({source.fingerprint: source for source in read}.values())

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        return self.sources[1:]

    def _place(self, source: Source) -> int:
        return [s.fingerprint for s in self.sources].index(source.fingerprint)


def _read_by(member: Member) -> tuple[Source, ...]:
    own = () if member.source is None else (member.source,)
    return (*own, *member.predictor.companions)


def restore_ensemble(
    tensors: Mapping[str, Tensor],
    info: Mapping[str, Json],
    source: Source | None,
    restore: Restore,
) -> EnsemblePredictor:
    """Return the ensemble whose `state()` was (tensors, info).

    Args:
        tensors: Of all members.
        info: Of all members.
        source: That of the first member that has one.
        restore: Brings back a member by the name of its strategy or baseline.
    """
    beside = [source_from_json(stored) for stored in info["companions"]]
    sources = beside if source is None else [source, *beside]
    members = []
    for number, stored in enumerate(info["members"]):
        prefix = f"{number}."
        own = {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        read, *further = [sources[place] for place in stored["sources"]] or [None]
        inner = {**stored["info"]}
        if further:
            inner["companions"] = [source_to_json(companion) for companion in further if companion]
        predictor = restore(stored["strategy"], own, inner, read)
        weight, temperature = float(stored["weight"]), float(stored.get("temperature", 1.0))
        members.append(Member(stored["strategy"], read, weight, predictor, temperature))
    return EnsemblePredictor(tuple(members))
