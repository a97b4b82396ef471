"""Sources by timm's names: at other sizes, without heads that know no classes, and gated ones."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from autotransfer.errors import InvalidSourceError, UnknownNameError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.timm_names import timm_source
from autotransfer.models.source import HubWeights

DINO = "vit_small_patch14_reg4_dinov2.lvd142m"
PE = "vit_pe_core_tiny_patch16_384.fb"


def test_a_size_after_the_name_is_that_of_the_images() -> None:
    native, small = timm_source(DINO), timm_source(f"{DINO}@224")
    assert (native.preprocessing.input_size, small.preprocessing.input_size) == (518, 224)
    assert native.weights == small.weights == HubWeights(DINO)
    assert small.kwargs == {"img_size": 224}
    assert small.fingerprint != native.fingerprint


def test_a_network_that_takes_any_size_needs_no_argument_for_it() -> None:
    source = timm_source("mobilenetv4_conv_small.e2400_r224_in1k@256")
    assert source.preprocessing.input_size == 256
    assert source.kwargs == {}


@pytest.mark.parametrize("name", ["resnet18@", "resnet18@0", "resnet18@x", "resnet18@-1", "@224"])
def test_what_is_no_size_is_part_of_an_unknown_name(name: str) -> None:
    with pytest.raises((UnknownNameError, InvalidSourceError), match=name):
        timm_source(name)


@pytest.mark.parametrize("name", [f"{DINO}@224", PE])
def test_weights_of_the_hub_are_read_at_another_size_and_without_a_head(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = timm_source(name)
    assert isinstance(source.weights, HubWeights)
    torch.manual_seed(3)
    published = timm.create_model(source.weights.tag).state_dict()

    def fetch(*_: Any, **__: Any) -> dict[str, torch.Tensor]:
        return {key: value.clone() for key, value in published.items()}

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fetch)
    backbone = load_backbone(source)
    assert not backbone.has_head
    assert backbone(backbone.sample(1)).shape == (1, backbone.num_features)
    for key, value in backbone.network.state_dict().items():
        if value.shape == published[key].shape:  # all but the embedding of positions
            torch.testing.assert_close(value, published[key])
        else:
            assert key == "pos_embed"


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        (PE, {"num_classes": 0}),
        ("vit_base_patch16_clip_224.openai", {"num_classes": 0}),
        ("convnext_base.clip_laion2b", {"num_classes": 0}),
        ("vit_base_patch16_clip_224.laion2b_ft_in12k", {}),
        ("vit_base_patch16_siglip_224.v2_webli", {}),
        ("resnet50_clip.openai", {}),  # its last layer is also what pools
        ("resnet18.a1_in1k", {}),
    ],
)
def test_a_layer_that_leads_to_texts_is_no_head_of_classes(
    name: str, kwargs: dict[str, int]
) -> None:
    assert timm_source(name).kwargs == kwargs


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("convnext_nano.in12k_ft_in1k", "ImageNet-12k, then ImageNet-1k"),
        ("resnet18.a1_in1k", "ImageNet-1k"),
        ("vit_base_patch16_siglip_224.v2_webli", "WebLI (SigLIP)"),
        (PE, "5.4 billion images with texts (Perception Encoder)"),
        ("vit_base_patch16_224.bamboo", "unknown"),
    ],
)
def test_what_the_weights_have_learnt_from_is_told_in_its_order(name: str, told: str) -> None:
    assert timm_source(name).pretrained_on == told


def test_dinov3_is_a_source_by_its_name_with_its_own_licence() -> None:
    source = timm_source("vit_small_patch16_dinov3.lvd1689m")
    assert source.license == "dinov3-license"
    assert source.weights == HubWeights("vit_small_patch16_dinov3.lvd1689m")
