"""Networks for sounds: stages, what fills up a batch, and what a plugin may get wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.errors import CutError, InvalidOptionError, InvalidSourceError
from autotransfer.models import backbone
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.builders import BackboneBuilder, offer
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.sounds.backbone import SoundBackbone, frame_mask, masked_mean_and_std
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import LocalWeights, Source, source_from_json, source_to_json
from autotransfer.models.weights import sha256_of
from autotransfer.plugin.registry import discover
from tests.tiny_sounds import CATALOGUE, sound_set, write_network


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Source:
    plugin, catalogue = write_network(tmp_path_factory.mktemp("ears"))
    discover(files=[plugin])
    return read_catalogue(catalogue)[0][0]


def test_layers_are_stages_and_the_own_embedding_comes_before_the_last(ears: Source) -> None:
    found = load_backbone(ears)
    stages = [(stage.module, stage.num_features) for stage in found.stages]
    assert stages == [("layer-1", 80), ("embedding", 8), ("layer-2", 16)]
    with pytest.raises(CutError):
        found.suffix(1)


@pytest.mark.parametrize("name", ["ears", "small"])
def test_features_do_not_depend_on_what_fills_up_the_batch(name: str, ears: Source) -> None:
    backbone = load_backbone(ears if name == "ears" else small_sound_source())
    items = sound_set(3)
    together = backbone.features(backbone.prepared(items)).pooled
    whole = backbone.suffix(0).eval()
    for i in range(len(items)):
        alone = backbone.prepared(items.subset([i]))
        for stage, rows in zip(backbone.features(alone).pooled, together, strict=True):
            assert torch.allclose(stage[0], rows[i], atol=1e-5)
        assert torch.allclose(whole(alone)[0], together[-1][i], atol=1e-5)


def test_mean_and_deviation_are_of_the_frames_that_are_there() -> None:
    states = torch.tensor([[[1.0], [3.0], [99.0]]])
    found = masked_mean_and_std(states, frame_mask(3, torch.tensor([2])))
    assert found.tolist() == [[2.0, 1.0]]


def test_a_source_of_sounds_survives_json(ears: Source) -> None:
    assert source_from_json(source_to_json(ears)) == ears
    assert ears.modality == "sound"
    assert ears.preprocessing.told == "sounds of 16 kHz, up to 10 s"


def test_weights_are_loaded_by_their_names_and_others_are_refused(
    ears: Source, tmp_path: Path
) -> None:
    state = {k: v + 1 for k, v in load_backbone(ears).network.state_dict().items()}
    save_file(state, tmp_path / "good.safetensors")
    save_file({"lstm.bias_ih_l0": torch.zeros(32)}, tmp_path / "bad.safetensors")

    def of(name: str) -> Source:
        path = tmp_path / name
        return replace(ears, weights=LocalWeights(path, sha256_of(path)))

    found = load_backbone(of("good.safetensors")).network.state_dict()
    assert torch.equal(found["lstm.bias_hh_l0"], state["lstm.bias_hh_l0"])
    with pytest.raises(InvalidSourceError, match="3 tensors missing"):
        load_backbone(of("bad.safetensors"))


def test_what_a_plugin_gets_wrong_is_named(ears: Source) -> None:
    def fails(_source: Source) -> Backbone:
        raise RuntimeError("no such layer")

    offer(BackboneBuilder("failing", fails))
    with pytest.raises(InvalidSourceError, match=r"failing/x cannot be made .*no such layer"):
        load_backbone(replace(ears, architecture="failing/x"))
    with pytest.raises(InvalidSourceError, match="name it with --plugin"):
        load_backbone(replace(ears, architecture="nobody/x"))
    with pytest.raises(ValueError, match="autotransfer's own"):
        offer(BackboneBuilder("log-mel", fails))


def test_no_other_thread_draws_weights_while_a_plugin_does(ears: Source) -> None:
    free: list[bool] = []

    def build(source: Source) -> SoundBackbone:
        with ThreadPoolExecutor(1) as other:
            free.append(other.submit(backbone._making.acquire, blocking=False).result())
        return SoundBackbone(source, load_backbone(ears).network)

    offer(BackboneBuilder("watched", build))
    load_backbone(replace(ears, architecture="watched/x"))
    assert free == [False]


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("input_size = 32", "input_size is for images, not beside sample_rate"),
        ("max_seconds = 0", "max_seconds must be in"),
        ("", ""),
    ],
)
def test_a_catalogue_says_at_which_rate_sounds_are_read(
    added: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(CATALOGUE + added, encoding="utf-8")
    if message:
        with pytest.raises(InvalidSourceError, match=message):
            read_catalogue(file)
    else:
        assert read_catalogue(file)[0][0].preprocessing == SoundPreprocessing(16_000)


def test_a_rate_of_no_sound_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match=r"sample_rate must be in 1000\.\.400000"):
        SoundPreprocessing(10)


def test_the_small_network_reads_the_height_of_tones_whatever_their_loudness() -> None:
    items: ImageSet = sound_set(2)
    backbone = load_backbone(small_sound_source())
    rows = backbone(backbone.prepared(items)).detach().numpy()
    assert np.isfinite(rows).all()
    x = backbone.prepared(items)
    x[:, 0] *= 0.5
    assert np.allclose(backbone(x).detach().numpy(), rows, atol=0.05)
