"""Optimal transport on frozen features: source features moved onto the target's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from typing_extensions import override

from autotransfer.plugin import SearchSpace, Task, TaskInfo, Trial, linear_algebra, parameters
from autotransfer_adaptation.source_probe import AlignedProbe

MOST = 1500  # images of each domain in the plan: memory and time grow with their product
ITERATIONS = 300
TOLERANCE = 1e-6  # of the marginals, in shares of all mass


class FeatureTransport(AlignedProbe):
    """A head on source features that an entropic transport plan moved onto the target's.

    Assumes that the class shares of both domains are about the same. `entropy` is in units of
    the largest cost.

    References:
        Courty et al., Optimal Transport for Domain Adaptation, TPAMI 39(9), 2017,
        arXiv:1507.00504 (the plan without class regularisation, barycentric mapping);
        Cuturi, Sinkhorn Distances, NeurIPS 2013.
    """

    name = "feature-transport"
    priority = 4

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return super().space(task) + SearchSpace.of(
            entropy=parameters.floating(0.005, 1.0, default=0.02, log=True)
        )

    @override
    def aligned(self, task: Task, trial: Trial, stage: int) -> NDArray[np.floating]:
        from scipy.spatial.distance import cdist

        generator = np.random.default_rng(trial.seed)
        source = np.asarray(task.features(task.train, stage), dtype=np.float64)
        images = task.needed_unlabelled(self.name)
        target = np.asarray(task.features(images, stage), dtype=np.float64)
        target = target[generator.permutation(len(target))[:MOST]]
        some = generator.permutation(len(source))[:MOST]
        with linear_algebra.single_thread():
            moved = transported(source[some], target, float(trial.params["entropy"]))
            if len(some) == len(source):
                aligned = np.empty_like(source)
                aligned[some] = moved
                return aligned
            # the others move as the nearest of those that are in the plan
            nearest = cdist(source, source[some], "sqeuclidean").argmin(axis=1)
            out: NDArray[np.floating] = source + (moved - source[some])[nearest]
        return out


def transported(
    source: NDArray[np.float64], target: NDArray[np.float64], entropy: float
) -> NDArray[np.float64]:
    """Return (n, d) source features at the mean of where the plan sends their mass.

    Args:
        source: (n, d).
        target: (m, d).
        entropy: Strength of the entropic term, in units of the largest cost.
    """
    from scipy.spatial.distance import cdist

    cost = cdist(source, target, "sqeuclidean")
    plan = sinkhorn(cost / max(float(cost.max()), 1e-12), entropy)
    moved: NDArray[np.float64] = (plan / plan.sum(axis=1, keepdims=True)) @ target
    return moved


def sinkhorn(cost: NDArray[np.float64], entropy: float) -> NDArray[np.float64]:
    """Return the (n, m) plan between uniform marginals that minimises <plan, cost> - entropy H.

    Computed with logarithms, so that a small entropy does not underflow.
    """
    n, m = cost.shape
    kernel = -cost / entropy
    f, g = np.zeros(n), np.zeros(m)
    for _ in range(ITERATIONS):
        f = -np.log(n) - logsumexp(kernel + g, axis=1)
        g = -np.log(m) - logsumexp(kernel + f[:, None], axis=0)
        rows = np.exp(kernel + f[:, None] + g).sum(axis=1)
        if np.abs(rows - 1 / n).sum() < TOLERANCE:
            break
    return np.exp(kernel + f[:, None] + g)
