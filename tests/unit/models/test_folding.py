"""Batch norms folded into convolutions: the same features, and never other ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.models import features as module
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.folding import folded
from autotransfer.models.source import Source
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source


def _architecture(name: str) -> Source:
    return replace(tiny_source(), architecture=name, kwargs={"num_classes": 5})


def _trained(source: Source) -> Backbone:
    """Return the network with batch norms that have seen images: no mean is zero."""
    backbone = load_backbone(source)
    backbone.train()
    with torch.no_grad():
        for _ in range(3):
            backbone(3 * backbone.sample(8) + 1)
    return backbone.eval()


def _num_norms(backbone: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())


@pytest.mark.parametrize(
    "name", ["test_resnet", "mobilenetv2_050", "tf_mobilenetv3_small_minimal_100"]
)
def test_all_outputs_stay_the_same_without_a_batch_norm_left(name: str) -> None:
    backbone = _trained(_architecture(name))
    lighter = folded(backbone)
    assert _num_norms(backbone) > _num_norms(lighter) == 0
    x = backbone.sample(6)
    with torch.inference_mode():
        expected, found = backbone.features(x), lighter.features(x)
        for stage in range(1, backbone.num_stages):
            expected_map, found_map = backbone.activations(x, stage), lighter.activations(x, stage)
            torch.testing.assert_close(found_map, expected_map, rtol=1e-3, atol=1e-4)
    for a, b in zip(found.pooled, expected.pooled, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)


def test_a_network_without_batch_norms_is_returned_as_it_is() -> None:
    backbone = load_backbone(_architecture("test_vit"))
    assert folded(backbone) is backbone


class _Skipping(nn.Module):
    """A convolution whose raw output goes around the batch norm as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.feature_info = [
            {"num_chs": 4, "reduction": 1, "module": "norm"},
            {"num_chs": 6, "reduction": 1, "module": "second"},
        ]
        self.num_features, self.num_classes = 6, 0

    def forward_features(self, x: Tensor) -> Tensor:
        raw = self.first(x)
        mixed: Tensor = self.second(self.norm(raw) + raw)
        return mixed

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:  # noqa: FBT001, FBT002
        return x.mean((2, 3))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def test_a_network_that_also_reads_what_comes_before_the_norm_is_left_as_it_is() -> None:
    network = _Skipping()
    nn.init.constant_(network.norm.bias, 2.0)
    backbone = Backbone(tiny_source(), network.eval())
    assert folded(backbone) is backbone


class _Twice(_Skipping):
    """A convolution and a batch norm that are called twice in a pass."""

    @override
    def forward_features(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = self.norm(self.first(x[:, :3]))
        mixed: Tensor = self.second(x)
        return mixed


def test_what_is_called_twice_is_left_as_it_is() -> None:
    backbone = Backbone(tiny_source(), _Twice().eval())
    assert folded(backbone) is backbone


def test_many_pictures_pass_through_the_lighter_network_and_few_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Backbone] = []

    def counted(backbone: Backbone) -> Backbone:
        made.append(folded(backbone))
        return made[-1]

    monkeypatch.setattr(module, "folded", counted)
    few, many = shapes(3, 21), shapes(3, 22, seed=1)  # 63 and 66 of 64
    reader = tiny_readers(tmp_path / "few")[tiny_source()]
    reader(few)
    assert not made
    reader = tiny_readers(tmp_path / "many")[tiny_source()]
    found = reader(many)
    assert _num_norms(made[0]) == 0 < _num_norms(reader.backbone)  # what learns has its norms
    with torch.inference_mode():
        expected = reader.backbone(reader.standardised(many)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_stage_outputs_of_batch_after_batch_pass_through_the_lighter_network_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Backbone] = []

    def counted(backbone: Backbone) -> Backbone:
        asked.append(backbone)
        return folded(backbone)

    monkeypatch.setattr(module, "folded", counted)
    inputs = tiny_readers(tmp_path)[tiny_source()].inputs(shapes(4, 20), 2)
    for begin in range(0, 80, 16):
        inputs.batch(np.arange(begin, begin + 16))
    assert len(asked) == 1
