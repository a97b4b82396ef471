"""Instance weighting: a head on target images and on the source images that resemble them.

Source images have the same classes as the target. They are weighted by how likely they are to
be target images (density ratio, KLIEP), or by how often their label is missed (TrAdaBoost), all
on cached features. The implementations are our own: the `adapt` package (0.4.5) requires
tensorflow, which its base module imports.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    ImageSet,
    Json,
    Need,
    Predictor,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    errors,
    heads,
    hookimpl,
    parameters,
)
from autotransfer_instance_weighting.density_ratio import density_ratio
from autotransfer_instance_weighting.kliep import kliep
from autotransfer_instance_weighting.rows import matched_labels, principal_axes, some_of_each
from autotransfer_instance_weighting.tradaboost import Boosting, Vote, tradaboost
from autotransfer_instance_weighting.voting import VotePredictor, restore_vote
from autotransfer_instance_weighting.weighted_logistic import (
    effective_number,
    fit_weighted_logistic,
)

WEIGHTINGS = ("density-ratio", "kliep", "tradaboost", "none")
LEAST_EFFECTIVE = 0.1  # of the source images; below, the weights are those of a few images
MOST_SOURCE_IMAGES = 2000  # more change the head little and the time of a trial a lot
MOST_SHARE = 0.95
DOMAIN_WIDTH = 32  # coordinates in which densities are compared
BOOSTING_WIDTH = 128

_Rows = NDArray[np.float64]


class InstanceWeighting(Strategy):
    """A logistic regression on target rows and weighted source rows of one stage.

    `weighting` says where the weights come from; `none` pools all rows. `source_share` is the
    share of all weight that the source rows get; at 0 the head is that of the target alone.
    `rounds` are TrAdaBoost's.
    """

    name = "instance-weighting"
    needs = frozenset({Need.TARGET_LABELS, Need.SOURCE_IMAGES})
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            regularisation=parameters.regularisation(),
            source_share=parameters.floating(0.0, MOST_SHARE, default=0.5),
            weighting=parameters.choice(WEIGHTINGS, default="density-ratio").only_where(
                source_share=()
            ),
            rounds=parameters.integer(10, 50, default=20).only_where(
                source_share=(), weighting=("tradaboost",)
            ),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        """Return the head, or TrAdaBoost's vote of heads.

        Raises:
            InvalidOptionError: If there are no source images, or of other classes.
            AutotransferError: If the weights rest on too few source images.
        """
        params, K = trial.params, len(task.class_names)
        share, strength = float(params["source_share"]), float(params["regularisation"])
        stage = max(1, round(float(params["depth"]) * task.features.num_stages))
        images, labels = _source(task, trial.seed)
        target, y = task.features(task.train, stage).astype(np.float64), task.train.labels
        if share == 0.0:
            head = heads.fit_logistic(target, y, K, regularisation=strength)
            return heads.HeadPredictor(head, stage)
        source = task.features(images, stage).astype(np.float64)
        kind = str(params["weighting"])
        if kind == "tradaboost":
            boosting = Boosting(int(params["rounds"]), share, strength)
            vote = _boosted((source, labels), (target, y), K, boosting, trial.seed)
            return VotePredictor(vote, stage)
        weights = source_weights(kind, source, target, seed=trial.seed)
        parts = (share * weights / weights.sum(), np.full(len(y), (1 - share) / len(y)))
        head = fit_weighted_logistic(
            np.concatenate([source, target]),
            np.concatenate([labels, y]),
            np.concatenate(parts),
            K,
            regularisation=strength,
        )
        return heads.HeadPredictor(head, stage)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        if "votes" in tensors:
            return restore_vote(tensors, info)
        return heads.restore_head(tensors, info)


def source_weights(kind: str, source: _Rows, target: _Rows, *, seed: int) -> NDArray[np.float64]:
    """Return (n_s,) weights of mean 1 for the rows of the source.

    Args:
        kind: "density-ratio", "kliep" or "none".
        source: (n_s, d) features.
        target: (n_t, d) features.
        seed: Draws folds, centres and the rows that give the coordinates.

    Raises:
        AutotransferError: If the effective number of rows is below a tenth of n_s.
    """
    if kind == "none":
        return np.ones(len(source))
    near, here = _coordinates(source, target, DOMAIN_WIDTH, seed)
    weights = (
        density_ratio(near, here, seed=seed)
        if kind == "density-ratio"
        else kliep(near, here, seed=seed).ratio(near)
    )
    effective = effective_number(weights)
    if effective < LEAST_EFFECTIVE * len(source):
        raise errors.AutotransferError(
            f"the {kind} weights of {len(source)} source images count as {effective:.1f} of "
            f"equal weight, {100 * effective / len(source):.1f} %; at least "
            f"{100 * LEAST_EFFECTIVE:.0f} % is needed for a head that does not hang on a few of "
            "them. The domains hardly overlap at this stage: use weighting 'tradaboost' or "
            "'none', or another depth"
        )
    return weights


def _source(task: Task, seed: int) -> tuple[ImageSet, NDArray[np.int64]]:
    """Return source images and their classes in the order of the target."""
    images = task.needed_source_images("instance-weighting")
    labels = matched_labels(images, task.class_names)
    kept = some_of_each(labels, MOST_SOURCE_IMAGES, seed=seed)
    return images.subset(kept), labels[kept]


def _coordinates(source: _Rows, target: _Rows, width: int, seed: int) -> tuple[_Rows, _Rows]:
    """Return both in at most `width` principal axes of all rows, each of unit variance."""
    scale, axes = _axes(source, target, width, seed)
    near, here = scale.apply(source) @ axes, scale.apply(target) @ axes
    spread = np.maximum(np.concatenate([near, here]).std(axis=0), 1e-12)
    return near / spread, here / spread


def _axes(
    source: _Rows, target: _Rows, width: int, seed: int
) -> tuple[heads.Standardisation, NDArray[np.float64]]:
    rows = np.concatenate([source, target])
    scale = heads.Standardisation.of(rows)
    return scale, principal_axes(scale.apply(rows), width, seed=seed)


def _boosted(
    source: tuple[_Rows, NDArray[np.int64]],
    target: tuple[_Rows, NDArray[np.int64]],
    num_classes: int,
    boosting: Boosting,
    seed: int,
) -> Vote:
    """Return TrAdaBoost's vote, fitted on few coordinates, as heads that read the features."""
    scale, axes = _axes(source[0], target[0], BOOSTING_WIDTH, seed)
    reduced = [(scale.apply(x) @ axes, y) for x, y in (source, target)]
    vote = tradaboost(reduced[0], reduced[1], num_classes, boosting)
    voters = [
        scale.fold_into(heads.LinearHead(head.weight @ axes.T, head.bias)) for head in vote.voters
    ]
    return Vote(tuple(voters), vote.weights)


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [InstanceWeighting()]
