"""A vote of linear heads on one stage as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    FeatureReader,
    ImageSet,
    Json,
    Layers,
    Predictor,
    PredictorState,
    TensorReader,
    heads,
)
from autotransfer_instance_weighting.tradaboost import Vote


@dataclass(frozen=True)
class VotePredictor(Predictor):
    """A vote on the pooled features of a stage of the frozen source.

    Args:
        vote: Its heads read the (n, d) features.
        stage: In 1..S.
    """

    vote: Vote
    stage: int

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return self.vote.probabilities(features(images, self.stage))

    @override
    def traced(self, features: TensorReader) -> Tensor:
        x = features(self.stage)
        shares = self.vote.weights / self.vote.weights.sum()
        parts = [
            float(share) * heads.traced_logits(head, x).softmax(dim=1)
            for share, head in zip(shares, self.vote.voters, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    @override
    def state(self) -> PredictorState:
        tensors = {
            "weights": torch.from_numpy(np.stack([head.weight for head in self.vote.voters])),
            "biases": torch.from_numpy(np.stack([head.bias for head in self.vote.voters])),
            "votes": torch.from_numpy(self.vote.weights),
        }
        return tensors, {"stage": self.stage}

    @property
    @override
    def layers(self) -> Layers:
        return Layers(stage=self.stage, copied=self.stage, tuned=0)


def restore_vote(tensors: Mapping[str, Tensor], info: Mapping[str, Json]) -> VotePredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    voters = tuple(
        heads.LinearHead(weight.numpy(), bias.numpy())
        for weight, bias in zip(tensors["weights"], tensors["biases"], strict=True)
    )
    return VotePredictor(Vote(voters, tensors["votes"].numpy()), int(info["stage"]))
