"""Source stacking: a probe on each of several frozen sources, their logits mixed.

Each source gets a ridge probe on one of its stages. The closed-form leave-one-out scores of the
probes, each at its own temperature, say how far a source can be trusted on images that its probe
has not seen; one factor a source, not negative, is fitted to them. The factors need not sum to
one: the mean of logits that err independently is too timid. What is reported is the weight of each
source, its share of the mixed logits; the weights sum to one.

References:
    Wolpert, Stacked generalization, Neural Networks 5, 1992. Weights that are not negative:
    Breiman, Stacked regressions, Machine Learning 24, 1996.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import Tensor, from_numpy
from typing_extensions import override

from autotransfer.plugin import (
    FeatureReader,
    ImageSet,
    Json,
    Layers,
    Need,
    Predictor,
    PredictorState,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    TensorReader,
    Trial,
    errors,
    heads,
    hookimpl,
    linear_algebra,
    parameters,
    sources,
)

MOST_SOURCES = 5
PRIOR = 10.0  # images' worth of pull towards equal weights, at regularisation 1
NEGLIGIBLE = 0.01  # a companion with a smaller weight is not worth its forward pass


class SourceStacking(Strategy):
    """Ridge probes on the arm's own source and on others of the shortlist, stacked.

    `regularisation` pulls the weights of the sources together; the probes choose their own
    penalty by leave-one-out. `depth` is the same fraction of the stages for every source.
    """

    name = "source-stacking"
    needs = frozenset({Need.TARGET_LABELS, Need.COMPANIONS})
    least_per_class = 5  # below, the out-of-fold scores are too few to weigh sources by
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            regularisation=parameters.regularisation(),
            num_sources=parameters.integer(2, MOST_SOURCES, default=3),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> StackedPredictor:
        if not task.companions:
            raise errors.InvalidSourceError(
                f"source-stacking has no source beside {task.source.name}; it needs two or more "
                "on the shortlist: name another one, or leave the strategy out"
            )
        params = trial.params
        companions = task.companions[: int(params["num_sources"]) - 1]
        readers = [task.features, *(task.features.of(companion) for companion in companions)]
        stages = [max(1, round(float(params["depth"]) * reader.num_stages)) for reader in readers]
        labels, num_classes = task.train.labels, len(task.class_names)
        features = [
            reader(task.train, stage) for reader, stage in zip(readers, stages, strict=True)
        ]
        with linear_algebra.single_thread():
            held_out = np.stack([held_out_logits(x, labels, num_classes) for x in features])
            weights, factors = stack(
                held_out, labels, regularisation=float(params["regularisation"])
            )
            probes = [heads.fit_ridge(x, labels, num_classes) for x in features]
        members = [
            Member(source, stage, heads.LinearHead(u * head.weight, u * head.bias), float(weight))
            for source, stage, head, weight, u in zip(
                (task.source, *companions), stages, probes, weights, factors, strict=True
            )
        ]
        return StackedPredictor(_worthwhile(members))

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> StackedPredictor:
        origins = (source, *(sources.from_json(values) for values in info["companions"]))
        members = [
            Member(
                member,
                int(info["stages"][i]),
                heads.LinearHead(tensors[f"weight.{i}"].numpy(), tensors[f"bias.{i}"].numpy()),
                float(info["weights"][i]),
            )
            for i, member in enumerate(origins)
        ]
        return StackedPredictor(tuple(members))


def held_out_logits(
    features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Return the (n, K) leave-one-out logits of the ridge probe, at its penalty and temperature.

    Both are chosen as `fit_ridge` chooses them. An image that is alone in its class has no
    meaningful row: the probe without it does not know the class. Where all are, there is nothing
    to choose by, and all logits are 0.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K).
        num_classes: K.
    """
    standardised = heads.Standardisation.of(features).apply(features)
    scores: NDArray[np.float64] = heads.leave_one_out(standardised, labels, num_classes).scores
    testable = _testable(labels)
    if not testable.any():
        return np.zeros(scores.shape[1:])
    targets = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)
    losses = np.square(scores - targets)[:, testable].mean(axis=(1, 2))  # one a penalty
    best: NDArray[np.float64] = scores[int(np.argmin(losses))]
    logits: NDArray[np.float64] = best * heads.inverse_temperature(
        best[testable], labels[testable]
    )
    return logits


def stack(
    held_out: NDArray[np.float64], labels: NDArray[np.int64], *, regularisation: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of each source and the factor on its logits.

    Minimises the mean log loss of softmax(sum_s u_s z_s) over u >= 0, which is convex, plus
    (regularisation * PRIOR / n) / 2 * ||u - 1 / S||^2. The pull keeps the mixture from becoming
    ever sharper where held-out images are all told apart.

    u itself says little of a source: the logits of one that knows nothing are near zero at its own
    temperature, so that any u does. Weights are shares of the mixed logits, u_s times the size
    (root mean square) of z_s: the mixture on the simplex of logits that were brought to one size.

    Args:
        held_out: (S, n, K) logits z of each source on images that its probe has not seen.
        labels: (n,) classes in [0, K).
        regularisation: Multiplies the pull towards the plain mean of the logits.

    Returns:
        (S,) weights that are not negative and sum to one, and the (S,) factors u on the logits.
        Equal weights and u = 1 / S where every class has one image: nothing can be held out.
    """
    num_sources = len(held_out)
    equal = np.full(num_sources, 1 / num_sources)
    testable = _testable(labels)
    if not testable.any():
        return equal, equal
    logits, classes = held_out[:, testable], labels[testable]
    n = len(classes)
    rows = np.arange(n)
    pull = regularisation * PRIOR / n

    def loss(u: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_probabilities = log_softmax(np.tensordot(u, logits, axes=1), axis=1)  # (n, K)
        residual = np.exp(log_probabilities)
        residual[rows, classes] -= 1
        away = u - equal
        value = -log_probabilities[rows, classes].mean() + pull / 2 * away @ away
        return float(value), np.einsum("nk,snk->s", residual, logits) / n + pull * away

    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * num_sources)
    contributions = found.x * np.sqrt(np.square(logits).mean(axis=(1, 2)))
    total = float(contributions.sum())
    if total <= 0:  # no source says anything about held-out images
        return equal, equal
    return contributions / total, found.x


def _testable(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) whether another image has the same class."""
    alone: NDArray[np.bool_] = np.bincount(labels)[labels] > 1
    return alone


@dataclass(frozen=True)
class Member:
    """One probe of the mixture.

    Args:
        source: What it reads.
        stage: The stage of it.
        head: The probe, with its factor in the mixture folded in.
        weight: Its share of the mixed logits, in [0, 1]; the head knows it already.
    """

    source: Source
    stage: int
    head: heads.LinearHead
    weight: float


def _worthwhile(members: list[Member]) -> tuple[Member, ...]:
    """Return the own source and the companions with a weight, their sum again one."""
    own, *others = members
    chosen = [own, *(member for member in others if member.weight >= NEGLIGIBLE)]
    total = sum(member.weight for member in chosen)
    return tuple(replace(member, weight=member.weight / total) for member in chosen)


@dataclass(frozen=True)
class StackedPredictor(Predictor):
    """The sum of the logits of several probes, each with its factor.

    Args:
        members: The probe of the arm's own source, then those of its companions.
    """

    members: tuple[Member, ...]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        own, *others = self.members
        logits = own.head.logits(features(images, own.stage))
        for member in others:
            x = features.of(member.source)(images, member.stage)
            logits = logits + member.head.logits(x)
        probabilities: NDArray[np.float64] = softmax(logits, axis=1)
        return probabilities

    @override
    def traced(self, features: TensorReader) -> Tensor:
        own, *others = self.members
        logits = heads.traced_logits(own.head, features(own.stage))
        for member in others:
            logits = logits + heads.traced_logits(
                member.head, features.of(member.source)(member.stage)
            )
        return logits.softmax(dim=1)

    @override
    def state(self) -> PredictorState:
        tensors = {}
        for i, member in enumerate(self.members):
            tensors[f"weight.{i}"] = from_numpy(member.head.weight)
            tensors[f"bias.{i}"] = from_numpy(member.head.bias)
        info = {
            "stages": [member.stage for member in self.members],
            "weights": [member.weight for member in self.members],
            "companions": [sources.to_json(source) for source in self.companions],
        }
        return tensors, info

    @property
    @override
    def layers(self) -> Layers:
        stage = self.members[0].stage
        return Layers(stage=stage, copied=stage, tuned=0)

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        return tuple(member.source for member in self.members[1:])


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [SourceStacking()]
