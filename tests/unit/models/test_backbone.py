from __future__ import annotations

import pytest
import timm
import torch

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import CutError, InvalidSourceError
from autotransfer.models.backbone import fresh_backbone, load_backbone
from autotransfer.models.source import Source, Untrained
from autotransfer.models.stages import pool

QUICK = ["test_resnet", "test_efficientnet", "test_convnext", "test_vit", "resnet10t"]
FAMILIES = [
    "mobilenetv3_small_050",
    "regnetx_002",
    "densenet121",
    "convnext_atto",
    "ghostnet_050",
    "repvgg_a0",
    "deit_tiny_patch16_224",
    "mixer_s32_224",
]


def _source(architecture: str, size: int = 64, **kwargs: object) -> Source:
    return Source(architecture, architecture, Untrained(3), Preprocessing(size), kwargs)


def _check(source: Source) -> None:
    backbone = load_backbone(source)
    x = backbone.sample(3)
    with torch.no_grad():
        found = backbone.features(x)
        whole = backbone(x)
        for stage, pooled in zip(backbone.stages, found.pooled, strict=True):
            assert pooled.shape == (3, stage.num_features)
        torch.testing.assert_close(found.pooled[-1], whole)
        for stage_number in range(backbone.num_stages):
            suffix = backbone.suffix(stage_number).eval()
            z = backbone.activations(x, stage_number)
            torch.testing.assert_close(suffix(z), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", QUICK)
def test_every_stage_can_be_read_and_cut(architecture: str) -> None:
    config = timm.get_pretrained_cfg(architecture)
    size = config.input_size[-1] if config and "vit" in architecture else 64
    _check(_source(architecture, size))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", FAMILIES)
def test_every_stage_of_a_family_can_be_read_and_cut(architecture: str) -> None:
    _check(_source(architecture, 224))


def test_features_do_not_depend_on_the_batch() -> None:
    backbone = load_backbone(_source("test_resnet"))
    x = backbone.sample(5)
    with torch.no_grad():
        together = backbone.features(x).pooled
        alone = [backbone.features(x[i : i + 1]).pooled for i in range(5)]
    for stage, pooled in enumerate(together):
        torch.testing.assert_close(
            pooled, torch.cat([one[stage] for one in alone]), atol=1e-5, rtol=1e-4
        )


def test_probabilities_are_those_of_the_head() -> None:
    backbone = load_backbone(_source("test_resnet", num_classes=7))
    x = backbone.sample(2)
    with torch.no_grad():
        found = backbone.features(x).probabilities
        expected = backbone.network(x).softmax(dim=1)
    assert backbone.num_source_classes == 7
    assert found is not None
    torch.testing.assert_close(found, expected)


def test_a_network_of_features_only_has_stages_and_no_head() -> None:
    backbone = load_backbone(_source("test_resnet", features_only=True))
    assert not backbone.has_head
    assert backbone.features(backbone.sample(2)).probabilities is None


def test_a_network_that_cannot_be_cut_says_so() -> None:
    backbone = load_backbone(
        _source("beit_base_patch16_224", 224, depth=2, embed_dim=48, num_heads=2)
    )
    with pytest.raises(CutError, match="cannot be cut after stage 1"):
        backbone.suffix(1)


def test_at_least_one_stage_learns_and_nothing_is_frozen_where_there_is_no_cut() -> None:
    whole = load_backbone(_source("test_resnet"))
    assert [whole.cut(frozen)[0] for frozen in (0, 2, 99)] == [0, 2, whole.num_stages - 1]
    uncut = load_backbone(
        _source("beit_base_patch16_224", 224, depth=2, embed_dim=48, num_heads=2)
    )
    assert uncut.cut(1)[0] == 0


def test_the_same_seed_gives_the_same_untrained_network() -> None:
    source = _source("test_resnet")
    first, second = fresh_backbone(source, 5), fresh_backbone(source, 5)
    other = fresh_backbone(source, 6)
    x = first.sample(2)
    with torch.no_grad():
        assert torch.equal(first(x), second(x))
        assert not torch.equal(first(x), other(x))


def test_loading_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    load_backbone(_source("test_resnet"))
    assert torch.equal(before, torch.get_rng_state())


def test_an_unknown_architecture_names_the_way_to_register_it() -> None:
    with pytest.raises(InvalidSourceError, match="--plugin"):
        load_backbone(_source("no_such_net"))


def test_the_channel_axis_is_found_by_its_length() -> None:
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    torch.testing.assert_close(pool(maps, 2), maps.mean(dim=(2, 3)))
    torch.testing.assert_close(pool(maps, 4), maps.mean(dim=(1, 2)))
    tokens = torch.arange(12.0).reshape(1, 3, 4)
    torch.testing.assert_close(pool(tokens, 4), tokens.mean(dim=1))


def test_the_layers_after_a_cut_do_not_carry_the_classifier() -> None:
    backbone = load_backbone(_source("test_resnet", num_classes=7))
    for stage in (0, 2):
        assert not any(
            name.startswith("network.fc") for name in backbone.suffix(stage).state_dict()
        )
    assert "fc.weight" in backbone.network.state_dict()
