"""The predictor of all four heads: a linear map of features, another one of attribute rows."""

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
    Need,
    PredictorState,
    ScenarioKind,
    Source,
    Strategy,
    heads,
    zero_shot,
)
from autotransfer_attribute_zero_shot.scaling import Array, Scaling

_SMALLEST = 1e-12


@dataclass(frozen=True)
class Towers:
    """Scores of scaled features z against scaled rows y: <z P + p, y G>, lengths perhaps one.

    Args:
        queries: (d, h) map P of the features.
        bias: (h,) p.
        keys: (a, h) map G of the rows.
        unit_queries: Whether z P + p is brought to length one.
        unit_keys: Whether y G is brought to length one.
        sharpness: Factor of the score.
    """

    queries: Array
    bias: Array
    keys: Array
    unit_queries: bool = False
    unit_keys: bool = False
    sharpness: float = 1.0

    def query(self, z: Array) -> Array:
        """Return (n, h) what is compared with the rows."""
        found: Array = z @ self.queries + self.bias
        return self.sharpness * (heads.unit_rows(found) if self.unit_queries else found)

    def scores(self, z: Array, y: Array) -> Array:
        """Return the (n, c) scores of (n, d) features against (c, a) rows."""
        key = y @ self.keys
        return self.query(z) @ (heads.unit_rows(key) if self.unit_keys else key).T

    def parts(self, z: Array, y: Array) -> Array:
        """Return (n, c, a) what each attribute adds to the scores."""
        length = np.maximum(np.linalg.norm(y @ self.keys, axis=1, keepdims=True), _SMALLEST)
        scaled = y / length if self.unit_keys else y
        return (self.query(z) @ self.keys.T)[:, None, :] * scaled[None, :, :]


@dataclass(frozen=True)
class TowersPredictor(zero_shot.AttributePredictor):
    """Towers on the pooled features of one stage.

    Args:
        towers: The head.
        feature_scaling: What is done to features first.
        row_scaling: What is done to attribute rows first.
        seen_attributes: (d + 1, a) ridge map from scaled features, and a one, to attributes.
        table: (K, a) rows of the task's classes.
        stage: The stage that is read, in 1..S.
    """

    towers: Towers
    feature_scaling: Scaling
    row_scaling: Scaling
    seen_attributes: Array
    table: Array
    stage: int

    @property
    @override
    def rows(self) -> Array:
        return self.table

    @override
    def scores(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return self.towers.scores(self._scaled(images, features), self.row_scaling.apply(rows))

    @override
    def contributions(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return self.towers.parts(self._scaled(images, features), self.row_scaling.apply(rows))

    @override
    def attributes(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        z = self._scaled(images, features)
        found = z @ self.seen_attributes[:-1] + self.seen_attributes[-1]
        clipped: Array = np.clip(found, self.table.min(axis=0), self.table.max(axis=0))
        return clipped

    def _scaled(self, images: ImageSet, features: FeatureReader) -> Array:
        return self.feature_scaling.apply(features(images, self.stage))

    @override
    def state(self) -> PredictorState:
        arrays = {
            "queries": self.towers.queries,
            "bias": self.towers.bias,
            "keys": self.towers.keys,
            "feature.centre": self.feature_scaling.centre,
            "feature.scale": self.feature_scaling.scale,
            "row.centre": self.row_scaling.centre,
            "row.scale": self.row_scaling.scale,
            "seen_attributes": self.seen_attributes,
            "table": self.table,
        }
        tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
        return tensors, {
            "stage": self.stage,
            "unit": [self.towers.unit_queries, self.towers.unit_keys,
                     self.feature_scaling.unit, self.row_scaling.unit],
            "sharpness": self.towers.sharpness,
        }  # fmt: skip

    @property
    @override
    def layers(self) -> Layers:
        return Layers(stage=self.stage, copied=self.stage, tuned=0)


def restore_towers(tensors: Mapping[str, Tensor], info: Mapping[str, Json]) -> TowersPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    unit_queries, unit_keys, unit_features, unit_rows_ = (bool(flag) for flag in info["unit"])
    towers = Towers(
        arrays["queries"],
        arrays["bias"],
        arrays["keys"],
        unit_queries,
        unit_keys,
        float(info["sharpness"]),
    )
    return TowersPredictor(
        towers,
        Scaling(arrays["feature.centre"], arrays["feature.scale"], unit_features),
        Scaling(arrays["row.centre"], arrays["row.scale"], unit_rows_),
        arrays["seen_attributes"],
        arrays["table"],
        int(info["stage"]),
    )


class TowersStrategy(Strategy):
    """A strategy whose answer is a `TowersPredictor`."""

    needs = frozenset({Need.ATTRIBUTES})
    scenarios = frozenset({ScenarioKind.ZERO_SHOT})
    trains = False

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> TowersPredictor:
        return restore_towers(tensors, info)
