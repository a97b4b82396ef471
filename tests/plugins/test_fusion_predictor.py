"""What several probes say together, in numbers and in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.heads import LinearHead
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.models.source import Source
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.results import Layers, Share
from autotransfer_fusion.predictor import FusedProbe, FusionPredictor, Joint, restore_fusion

ONE, TWO = tiny_source("one"), tiny_source("two", seed=1)
ODDS = LinearHead(np.array([[0.0], [1.0]]), np.zeros(2))  # log odds of the second class: x


@dataclass(frozen=True)
class _Reader:
    """Features of two sources: the log odds that a probe reads from each stage.

    Args:
        of_source: By source and stage, one feature that all items have.
    """

    of_source: Mapping[str, Mapping[int, float]]
    name: str = "one"

    def of(self, source: Source) -> _Reader:
        return _Reader(self.of_source, source.name)

    def __call__(self, images: ImageSet, stage: int) -> NDArray[np.float64]:
        return np.full((len(images), 1), self.of_source[self.name][stage])


@dataclass(frozen=True)
class _Traced(_Reader):
    """The same as tensors of one item."""

    @override
    def of(self, source: Source) -> _Traced:
        return _Traced(self.of_source, source.name)

    @override
    def __call__(self, stage: int) -> Tensor:  # type: ignore[override]
        return torch.tensor([[self.of_source[self.name][stage]]], dtype=torch.float64)


# nine to one by the first source, one to three by the second; other stages say the opposite
SAID = {
    "one": {1: -np.log(9), 2: np.log(9)},
    "two": {1: -np.log(3), 2: np.log(3)},
}


def _probe(source: Source, stage: int, weight: float) -> FusedProbe:
    return FusedProbe(source, HeadPredictor(ODDS, stage), weight)


FUSED = FusionPredictor((_probe(ONE, 2, 0.8), _probe(TWO, 1, 0.2)))
WANTED = 0.8 * 0.9 + 0.2 * 0.25


def test_every_probe_reads_its_own_source_and_stage_and_counts_by_its_weight() -> None:
    said = FUSED.predict(shapes(2, 2), _Reader(SAID))  # type: ignore[arg-type]
    np.testing.assert_allclose(said, np.tile([1 - WANTED, WANTED], (4, 1)))


def test_the_graph_says_the_same() -> None:
    said = FUSED.traced(_Traced(SAID))  # type: ignore[arg-type]
    np.testing.assert_allclose(said.numpy(), [[1 - WANTED, WANTED]], atol=1e-6)


def test_the_own_source_is_no_companion_and_every_source_is_one_once() -> None:
    again = FusionPredictor((*FUSED.probes, _probe(TWO, 2, 0.0)))
    assert [source.name for source in again.companions] == ["two"]
    assert again.layers == Layers(stage=2, copied=2, tuned=0)


def test_the_composition_has_source_stage_and_weight_of_every_probe() -> None:
    assert FUSED.composition == (
        Share("one", "probe", Layers(stage=2, copied=2, tuned=0), 0.8),
        Share("two", "probe", Layers(stage=1, copied=1, tuned=0), 0.2),
    )


def test_two_probes_of_one_source_come_back_with_their_own_stages() -> None:
    both = FusionPredictor((*FUSED.probes, _probe(ONE, 1, 0.0)))
    again = restore_fusion(*both.state(), ONE)
    places = [(probe.source.name, probe.predictor.stage, probe.weight) for probe in again.probes]
    assert places == [("one", 2, 0.8), ("two", 1, 0.2), ("one", 1, 0.0)]
    said = again.predict(shapes(2, 1), _Reader(SAID))  # type: ignore[arg-type]
    assert said[0, 1] == pytest.approx(WANTED)


def test_each_probe_centres_its_own_features_and_comes_back_with_its_centre() -> None:
    # centred at log 9 + 2 and brought to length one, the feature of the first source says -1
    centred = HeadPredictor(ODDS, 2, centres=(np.array([np.log(9) + 2.0]),))
    mixed = FusionPredictor((FusedProbe(ONE, centred, 0.5), _probe(TWO, 1, 0.5)))
    wanted = 0.5 / (1 + np.e) + 0.5 * 0.25
    again = restore_fusion(*mixed.state(), ONE)
    for predictor in (mixed, again):
        said = predictor.predict(shapes(2, 1), _Reader(SAID))  # type: ignore[arg-type]
        assert said[0, 1] == pytest.approx(wanted)
        traced = predictor.traced(_Traced(SAID))  # type: ignore[arg-type]
        assert float(traced[0, 1]) == pytest.approx(wanted)


def test_a_fusion_that_was_saved_before_probes_had_centres_is_restored() -> None:
    tensors = {f"weight.{n}": torch.from_numpy(ODDS.weight.copy()) for n in range(2)}
    tensors |= {f"bias.{n}": torch.from_numpy(ODDS.bias.copy()) for n in range(2)}
    _, info = FUSED.state()
    said = restore_fusion(tensors, info, ONE).predict(shapes(2, 1), _Reader(SAID))  # type: ignore[arg-type]
    assert said[0, 1] == pytest.approx(WANTED)


def test_more_than_ten_probes_come_back_each_as_it_was() -> None:
    heads = [LinearHead(np.array([[0.0], [float(n)]]), np.zeros(2)) for n in range(12)]
    many = tuple(FusedProbe(ONE, HeadPredictor(head, 2), 1 / 12) for head in heads)
    again = restore_fusion(*FusionPredictor(many).state(), ONE)
    assert [p.predictor.head.weight[1, 0] for p in again.probes] == list(range(12))


def test_a_joint_probe_adds_logits_of_its_sources_and_comes_back() -> None:
    # log odds of nine to one and one to three: three to one together
    joint = Joint((_probe(ONE, 2, 0.7), _probe(TWO, 1, 0.3)), 0.5)
    fused = FusionPredictor((_probe(ONE, 1, 0.5),), joint)
    wanted = 0.5 * 0.1 + 0.5 * 0.75
    for predictor in (fused, restore_fusion(*fused.state(), ONE)):
        said = predictor.predict(shapes(2, 1), _Reader(SAID))  # type: ignore[arg-type]
        assert said[0, 1] == pytest.approx(wanted)
        traced = predictor.traced(_Traced(SAID))  # type: ignore[arg-type]
        assert float(traced[0, 1]) == pytest.approx(wanted)
        assert [source.name for source in predictor.companions] == ["two"]
        assert [(s.source, s.strategy, s.weight) for s in predictor.composition] == [
            ("one", "probe", 0.5),  # on another stage than its part of the joint probe
            ("one", "probe", 0.35),
            ("two", "probe", 0.15),
        ]
