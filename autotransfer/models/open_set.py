"""Which images of a target without labels are none of the classes, as the fit has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.models.heads.linear import LinearHead, Standardisation
from autotransfer.models.novelty import Novelty
from autotransfer.models.source import Source
from autotransfer.models.unknown_mixture import probability_at

NONE_OF_THESE = "None of these"
MORE_PROBABLY = 0.5  # unknown than not: from there on an image is rejected


@dataclass(frozen=True)
class OpenSet:
    """What is kept of the unknown: how strange an image is, and what that says.

    Args:
        novelty: The score.
        probabilities: (B,) of an image to be unknown, by its z-score; see `UnknownMixture`.
        source: Whose frozen features are read.
        found: Whether there were unknown images; else nothing is rejected.
    """

    novelty: Novelty
    probabilities: NDArray[np.float64]
    source: Source
    found: bool

    def judged(
        self, features: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return (n,) how probably each image is unknown, and (n,) whether it is rejected.

        Args:
            features: (n, d) of the source.
        """
        probability = probability_at(self.probabilities, self.novelty.z(features))
        return probability, (probability > MORE_PROBABLY) & self.found

    def tensors(self) -> dict[str, Tensor]:
        """Return everything but the source, by name."""
        novelty = self.novelty
        arrays = {
            "weight": novelty.head.weight,
            "bias": novelty.head.bias,
            "centres": novelty.centres,
            "own": novelty.own,
            "mean": novelty.scale.mean,
            "std": novelty.scale.std,
            "probabilities": self.probabilities,
            "found": np.array([float(self.found)]),
        }
        if novelty.references is not None:
            arrays["references"] = novelty.references
        return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], source: Source) -> OpenSet:
        """Return what `tensors` was taken from.

        Args:
            tensors: By name.
            source: The one that is read.

        Raises:
            KeyError: If one is missing.
        """
        a = {name: tensor.numpy() for name, tensor in tensors.items()}
        novelty = Novelty(
            LinearHead(a["weight"], a["bias"]),
            a["centres"],
            a["own"],
            Standardisation(a["mean"], a["std"]),
            a.get("references"),
        )
        return cls(novelty, a["probabilities"], source, bool(a["found"][0]))
