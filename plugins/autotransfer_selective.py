"""Selective transfer: learn which channels, or which stages, of the frozen source to use.

A linear head reads the pooled features of all stages up to the depth, standardised, each column
times a scale that is learnt with the head:

- *channels*: a gate s = sigmoid(theta) in (0, 1) for each channel, with an L1 penalty. With the
  L2 penalty on the head, a channel of weight v pays about |v|^(2/3): many small weights cost
  more than a few large ones, so that channels leave.
- *stages*: a mixture a = softmax(phi) over the stages, whose columns are scaled by sqrt(a). Stages
  differ in width, so each is first brought to one size (its width is divided out). The square
  root makes this a mixture of one linear kernel a stage, which together with the head is a convex
  problem; its optimum is a group lasso over stages. A mixture of the stages' logits would span
  the same functions (all are linear in the stages side by side), but its problem has local optima
  and S heads to fit.
- *both*: the product, which has local optima and is the sparsest.

The scales are learnt by full-batch L-BFGS from the same start every time, so nothing is random.
Then small ones are set to zero and the head is fitted again, with the scales fixed: a convex
problem that is solved well. Scales and standardisation end up in the weights of one linear head.

References:
    ELMo's mixture of layers: Peters et al., NAACL 2018, arXiv:1802.05365, equation 1. Mixtures of
    kernels as a group lasso: Bach et al., ICML 2004; Rakotomamonjy et al., SimpleMKL, JMLR 2008.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    Json,
    Need,
    PredictorState,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    heads,
    hookimpl,
    parameters,
)

GATES = ("channels", "stages", "both")
OFF = 0.1  # a gate below this share of the largest is closed
SHUT = 0.1  # with no gate above it, the penalty has shut the whole source
OFF_STAGE = 0.01  # a stage with a smaller share of the mixture is not read
MAX_EVALUATIONS = 150
TOLERANCE = 1e-7  # of the loss, in nats an image


class SelectiveTransfer(Strategy):
    """A head on all stages, with learnt gates over channels, over stages, or both.

    `penalty` is the price of an open gate in nats an image; the mixture of stages needs none.
    What is left of each stage is in the plain values of the state: `kept`, the share of
    its columns, and `mixture`.
    `regularisation` divides the head's C, as for the logistic head of feature extraction.
    """

    name = "selective-transfer"
    needs = frozenset({Need.TARGET_LABELS})
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            regularisation=parameters.regularisation(),
            gates=parameters.choice(GATES, default="stages"),
            penalty=parameters.floating(1e-5, 1e-2, default=1e-4, log=True).only_where(
                gates=("channels", "both")
            ),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> SelectivePredictor:
        params = trial.params
        top = max(1, round(float(params["depth"]) * task.features.num_stages))
        blocks = [task.features(task.train, stage) for stage in range(1, top + 1)]
        columns = Columns.of(blocks)
        x = np.concatenate(blocks, axis=1)
        strength = float(params["regularisation"])
        scale = heads.Standardisation.of(x)
        standardised = scale.apply(x)
        rows, K = standardised.astype(np.float32), len(task.class_names)
        problem = Problem(rows, task.train.labels, K, columns, str(params["gates"]))
        gates = learn_gates(problem, float(params["penalty"]), strength)
        open_columns = gates.scales > 0
        head = heads.fit_logistic(
            standardised[:, open_columns] * gates.scales[open_columns],
            task.train.labels,
            len(task.class_names),
            regularisation=strength,
            standardise=False,
        )
        weight = np.zeros((len(task.class_names), x.shape[1]))
        weight[:, open_columns] = head.weight * gates.scales[open_columns]
        return _predictor(scale.fold_into(heads.LinearHead(weight, head.bias)), gates, columns)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> SelectivePredictor:
        kept = tuple(float(share) for share in info["kept"])
        mixture = tuple(float(share) for share in info["mixture"])
        head = heads.restore_head(tensors, info)
        return SelectivePredictor(
            head.head, head.stage, below=head.below, kept=kept, mixture=mixture
        )


@dataclass(frozen=True)
class Columns:
    """Which of d columns belong to which of S stages.

    Args:
        stage_of: (d,) stage of each column, from 0.
        widths: (S,) number of columns of each stage.
    """

    stage_of: NDArray[np.int64]
    widths: NDArray[np.int64]

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.floating]]) -> Columns:
        """Return the columns of (n, d_s) features that lie side by side."""
        widths = np.array([block.shape[1] for block in blocks], dtype=np.int64)
        return cls(np.repeat(np.arange(len(blocks)), widths), widths)


@dataclass(frozen=True)
class Gates:
    """What was learnt about the columns.

    Args:
        scales: (d,) factor of each standardised column; 0 is switched off.
        mixture: (S,) share of each stage; sums to one. Empty without a mixture.
    """

    scales: NDArray[np.float64]
    mixture: NDArray[np.float64]


def learn_gates(problem: Problem, penalty: float, regularisation: float = 1.0) -> Gates:
    """Return the scales that lower the penalised log loss most, jointly with a linear head.

    The loss an image is cross-entropy + ||W||^2 / (2 C n) + penalty * sum(s), with the C of the
    logistic head, 0.1 / regularisation. A penalty that shuts every gate is divided by ten until
    one stays open: a head without columns would know nothing.

    Args:
        problem: What is learnt from.
        penalty: Price of an open gate, in nats an image; without effect on "stages".
        regularisation: Divides C.
    """
    decay = regularisation / (heads.DEFAULT_C * len(problem.x))
    start = np.zeros(sum(problem.sizes))  # every gate half open, every stage alike
    while True:
        loss = partial(problem.loss, decay=decay, penalty=penalty)
        found = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxfun": MAX_EVALUATIONS, "ftol": TOLERANCE},
        )
        _, _, theta, phi = problem.parts(found.x)
        mixture = softmax(phi)
        mixture = np.where(mixture >= OFF_STAGE, mixture, 0.0)
        mixture = mixture / mixture.sum()
        outer = problem.stage_scales(mixture)
        gate = np.where(outer > 0, problem.gate(theta), 0.0)
        if gate.max() >= SHUT:
            break
        penalty /= 10  # nothing that the head could gain is worth one gate at this price
    scales = np.where(gate >= OFF * gate.max(), gate * outer, 0.0)
    return Gates(scales, np.zeros(0) if problem.kind == "channels" else mixture)


@dataclass(frozen=True)
class Problem:
    """The loss that head and scales minimise together.

    The unknowns are one vector: head weights (K, d), bias (K,), theta (d,) and phi (S,). What
    `kind` leaves out has no gradient and stays at its start.

    Args:
        x: (n, d) standardised features, the stages side by side.
        labels: (n,) classes in [0, K).
        num_classes: K.
        columns: Where the stages are.
        kind: "channels", "stages" or "both".
    """

    x: NDArray[np.float32]
    labels: NDArray[np.int64]
    num_classes: int
    columns: Columns
    kind: str

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Return how many unknowns of each sort there are."""
        d = self.x.shape[1]
        return self.num_classes * d, self.num_classes, d, len(self.columns.widths)

    def parts(self, unknowns: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return the weights (K, d), the bias, theta and phi."""
        weight, *rest = np.split(unknowns, np.cumsum(self.sizes)[:-1])
        return [weight.reshape(self.num_classes, -1), *rest]

    def gate(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (d,) gates; one where there are none."""
        return np.ones_like(theta) if self.kind == "stages" else expit(theta)

    def stage_scales(self, mixture: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (d,) scale of each column that its stage's share makes.

        With the whole mixture on the last stage its columns have scale 1: a probe of that stage.
        """
        if self.kind == "channels":
            return np.ones(self.x.shape[1])
        widths = self.columns.widths
        scales: NDArray[np.float64] = np.sqrt(mixture * widths[-1] / widths)
        return scales[self.columns.stage_of]

    def loss(
        self, unknowns: NDArray[np.float64], decay: float, penalty: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the loss in nats an image, and its gradient."""
        weight, bias, theta, phi = self.parts(unknowns)
        gate, mixture = self.gate(theta), softmax(phi)
        outer = self.stage_scales(mixture)
        scale = gate * outer
        logits = self.x @ (weight * scale).T.astype(np.float32) + bias
        log_probabilities = log_softmax(logits, axis=1)  # (n, K)
        rows = np.arange(len(logits))
        residual = np.exp(log_probabilities)
        residual[rows, self.labels] -= 1
        residual /= len(logits)
        pulled = residual.T.astype(np.float32) @ self.x  # (K, d), with respect to weight * scale
        value = -log_probabilities[rows, self.labels].mean() + decay / 2 * np.square(weight).sum()
        by_scale = (pulled * weight).sum(axis=0)  # (d,)
        by_theta, by_phi = np.zeros_like(theta), np.zeros_like(phi)
        if self.kind != "stages":
            value += penalty * gate.sum()
            by_theta = (by_scale * outer + penalty) * gate * (1 - gate)
        if self.kind != "channels":  # d scale / d log a = scale / 2, through the softmax
            by_share = np.bincount(self.columns.stage_of, by_scale * scale / 2, len(phi))
            by_phi = by_share - mixture * by_share.sum()
        by_weight = pulled * scale + decay * weight
        gradient = np.concatenate([by_weight.ravel(), residual.sum(axis=0), by_theta, by_phi])
        return float(value), gradient


@dataclass(frozen=True)
class SelectivePredictor(heads.HeadPredictor):
    """A head on the stages that are left, gates and standardisation folded into its weights.

    Args:
        kept: Share of the columns of each stage up to the depth that are read.
        mixture: Share of each stage in the mixture; empty without one.
    """

    kept: tuple[float, ...] = field(kw_only=True)
    mixture: tuple[float, ...] = field(kw_only=True)

    @override
    def state(self) -> PredictorState:
        tensors, info = super().state()
        return tensors, {**info, "kept": list(self.kept), "mixture": list(self.mixture)}


def _predictor(head: heads.LinearHead, gates: Gates, columns: Columns) -> SelectivePredictor:
    """Return the predictor that reads only the stages with a column that is left."""
    left = gates.scales > 0
    kept = np.bincount(columns.stage_of, weights=left) / columns.widths  # (S,)
    read = np.flatnonzero(kept)
    weight = np.ascontiguousarray(head.weight[:, np.isin(columns.stage_of, read)])
    *below, stage = (int(place) + 1 for place in read)
    return SelectivePredictor(
        heads.LinearHead(weight, head.bias),
        stage,
        below=tuple(below),
        kept=tuple(kept.tolist()),
        mixture=tuple(gates.mixture.tolist()),
    )


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [SelectiveTransfer()]
