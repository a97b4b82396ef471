"""Feature extraction: a linear head on one or more stages of the frozen source.

The features come from the cache, so a trial costs milliseconds. Which stage is read is the
shared knob `depth`: the fraction of the source's stages that are used frozen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    Json,
    Need,
    Predictor,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    heads,
    hookimpl,
    parameters,
    sources,
)

HEADS = {
    "ridge": heads.fit_ridge,
    "logistic": heads.fit_logistic,
    "lda": heads.fit_discriminant,
    "nearest-mean": heads.fit_nearest_mean,
}
NUM_STAGES = {"one": 1, "last two": 2, "all": None}  # None: every stage up to the depth


class FeatureExtraction(Strategy):
    """A head on pooled features: ridge, logistic, shrinkage LDA or the nearest class mean.

    `regularisation` multiplies the penalty that leave-one-out chose (ridge), the default penalty
    (logistic), the odds of the shrinkage (LDA) or the temperature (nearest mean; no image
    changes its class by it).

    Several stages are brought to the same scale first: every feature to mean 0 and std 1
    (`standardise`), every stage to the same mean square (`none`), or every row of every stage to
    length 1 about its mean (`cl2n`, the default for networks: on few labels it is points better;
    columns that were given may have different units and are standardised). Features of texts
    are standardised and read by a logistic regression by default, which is points better there.
    """

    name = "feature-extraction"
    needs = frozenset({Need.TARGET_LABELS})
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        of_texts = task.source.modality is sources.Modality.TEXT
        given = task.source.architecture == sources.GIVEN_FEATURES
        usual = "standardise" if given or of_texts else "cl2n"
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            regularisation=parameters.regularisation(),
            head=parameters.choice(tuple(HEADS), default="logistic" if of_texts else "ridge"),
            normalisation=parameters.choice(("none", "standardise", "cl2n"), default=usual),
            stages=parameters.choice(tuple(NUM_STAGES), default="one"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        top = max(1, round(float(params["depth"]) * task.features.num_stages))
        count = NUM_STAGES[str(params["stages"])] or top
        stages = list(range(max(top - count, 0) + 1, top + 1))
        blocks = [task.features(task.train, stage) for stage in stages]
        kind = str(params["normalisation"])
        centres = tuple(block.mean(axis=0, dtype=np.float64) for block in blocks)
        centres = centres if kind == "cl2n" else ()
        scales = _scales(blocks) if kind == "none" else None
        x = heads.side_by_side(blocks, centres)
        head = HEADS[str(params["head"])](
            x if scales is None else x * scales,
            task.train.labels,
            len(task.class_names),
            regularisation=float(params["regularisation"]),
            standardise=kind == "standardise",
        )
        if scales is not None:
            head = heads.LinearHead(head.weight * scales, head.bias)
        return heads.HeadPredictor(head, top, below=tuple(stages[:-1]), centres=centres)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return heads.restore_head(tensors, info)


def _scales(blocks: Sequence[NDArray[np.floating]]) -> NDArray[np.float64] | None:
    """Return (d,) factors that bring each stage's mean square to 1; None for one stage."""
    if len(blocks) == 1:
        return None
    roots = [np.sqrt(np.square(block, dtype=np.float64).mean()) for block in blocks]
    factors = [1 / max(root, 1e-12) for root in roots]
    return np.repeat(factors, [block.shape[1] for block in blocks])


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FeatureExtraction()]
