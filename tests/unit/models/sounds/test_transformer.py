"""Encoders of transformers for sounds: as the library has them, whatever fills up, and cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.reading import sounds_of
from autotransfer.errors import CutError, InvalidSourceError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.sounds.backbone import masked_mean_and_std
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.sounds.transformer import SoundTransformer
from autotransfer.models.texts.backbone import with_mask
from tests.tiny_sounds import AST, KINDS, LAYERS, WIDTH, sound_set, write_encoder

# norms over time, or within each frame and before each part of a layer
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in KINDS),
    *(
        (kind, {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True})
        for kind in KINDS[:3]
    ),
]
variants = pytest.mark.parametrize(
    ("kind", "more"), VARIANTS, ids=[f"{k}{'-stable' * bool(m)}" for k, m in VARIANTS]
)


def _loaded(folder: Path) -> SoundTransformer:
    found = load_backbone(sound_source_of_folder(folder))
    assert isinstance(found, SoundTransformer)
    return found


def _samples(items: ImageSet) -> list[np.ndarray[Any, Any]]:
    return [sound.at(16_000) for sound in sounds_of(items)]


def _by_the_library(folder: Path, kind: str, wave: np.ndarray[Any, Any]) -> list[torch.Tensor]:
    """Return the states of one sound alone, by the feature extractor and code of transformers."""
    import transformers

    readers = {
        AST: transformers.ASTFeatureExtractor,
        "whisper": transformers.WhisperFeatureExtractor,
    }
    reader = readers.get(kind, transformers.Wav2Vec2FeatureExtractor)
    told = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    given = reader(**told)(wave, sampling_rate=16_000, return_tensors="pt")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if kind == "whisper":
        model = model.get_encoder()
    with torch.no_grad():
        found = model(next(iter(given.values())).float(), output_hidden_states=True)
    return [*found.hidden_states[:-1], found.last_hidden_state]


@variants
def test_states_are_those_of_transformers_for_a_sound_alone(
    kind: str, more: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / kind, kind, **more)
    backbone, items = _loaded(folder), sound_set(1)
    with torch.no_grad():
        states, mask = backbone.encoder.states(backbone.prepared(items))
    assert len(states) == LAYERS + 1
    for i, wave in enumerate(_samples(items)):
        own = _by_the_library(folder, kind, wave)
        for ours, theirs in zip(states, own, strict=True):
            count = theirs.shape[1]
            assert float((ours[i, :count] - theirs[0]).abs().max()) <= 2e-4
        if not backbone.encoder.fixed:
            assert int(mask[i].sum()) == count


@variants
def test_a_sound_has_the_same_features_alone_and_beside_a_longer_one(
    kind: str, more: dict[str, Any], tmp_path: Path
) -> None:
    backbone, items = _loaded(write_encoder(tmp_path / kind, kind, **more)), sound_set(2)
    lengths = {len(wave) for wave in _samples(items)}
    assert len(lengths) > 1
    with torch.no_grad():
        together = backbone.features(backbone.prepared(items)).pooled
        for i in range(len(items)):
            alone = backbone.features(backbone.prepared(items.subset([i]))).pooled
            for one, all_ in zip(alone, together, strict=True):
                assert float((one[0] - all_[i]).abs().max()) <= 1e-5


@variants
def test_the_layers_after_a_cut_answer_as_the_whole_encoder_does(
    kind: str, more: dict[str, Any], tmp_path: Path
) -> None:
    backbone = _loaded(write_encoder(tmp_path / kind, kind, **more))
    x = backbone.prepared(sound_set(2))
    with torch.no_grad():
        whole = backbone(x)
        states, mask = backbone.encoder.states(x)
        for depth in range(LAYERS):
            later = backbone.after(depth)
            halves = later(with_mask(states[depth], mask))
            assert float((halves - whole).abs().max()) <= 1e-6, depth
            names = later.state_dict()
            assert not [name for name in names if "conv_layers" in name or "embeddings" in name]
            for name, value in names.items():  # by the names they had
                assert torch.equal(value, backbone.state_dict()[name]), name
        assert torch.allclose(backbone.suffix(0).eval()(x), whole, atol=1e-6)
    with pytest.raises(CutError):
        backbone.suffix(LAYERS + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_of_a_stage_gives_the_features_of_the_later_layers(
    kind: str, tmp_path: Path
) -> None:
    backbone, items = _loaded(write_encoder(tmp_path / kind, kind)), sound_set(1)
    x = backbone.prepared(items)
    with torch.no_grad():
        z = backbone.activations(x, 2)
        rows = [backbone.own_part(row) for row in z]
        found = torch.cat([backbone.suffix(2).eval()(row[None]) for row in rows])
        assert torch.allclose(found, backbone(x), atol=1e-5)
    assert {row.shape[1] for row in rows} == {WIDTH + 1}
    fixed = backbone.encoder.fixed
    assert (len({len(row) for row in rows}) == 1) == fixed  # what fills up takes part, or is gone


def test_stages_are_mean_and_deviation_and_of_ast_its_own_pooling_too(tmp_path: Path) -> None:
    backbone, items = _loaded(write_encoder(tmp_path / "a", AST)), sound_set(1)
    widths = [stage.num_features for stage in backbone.stages]
    assert widths == [2 * WIDTH] * LAYERS + [3 * WIDTH]
    assert [stage.module for stage in backbone.stages] == [f"layer-{i}" for i in range(4)]
    with torch.no_grad():
        x = backbone.prepared(items)
        states, _ = backbone.encoder.states(x)
        last = backbone.features(x).pooled[-1]
    own = (states[-1][:, 0] + states[-1][:, 1]) / 2
    assert torch.allclose(last[:, 2 * WIDTH :], own, atol=1e-6)
    # 32 bands give 5 patches and 64 frames 10; of f frames (f - 8) // 6 + 1 lie within the sound
    for i, wave in enumerate(_samples(items)):
        frames = (len(wave) - 400) // 160 + 1
        patches = states[-1][i, 2:].view(5, 10, WIDTH)[:, : (frames - 8) // 6 + 1]
        flat = patches.reshape(1, -1, WIDTH)
        found = masked_mean_and_std(flat, torch.ones(1, flat.shape[1]))
        assert torch.allclose(last[i, : 2 * WIDTH], found[0], atol=1e-5)


def test_whole_models_with_heads_and_old_names_of_norms_are_read(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "w")
    state = load_file(folder / "model.safetensors")
    names = {"parametrizations.weight.original0": "weight_g"}
    names |= {"parametrizations.weight.original1": "weight_v"}
    old = {"lm_head.weight": torch.zeros(2, WIDTH)}
    for name, tensor in state.items():
        for now, before in names.items():
            name = name.replace(now, before)
        old[f"wav2vec2.{name}"] = tensor
    assert any(name.endswith("weight_g") for name in old)
    x = torch.randn(1, 2, 4000).abs().clamp(max=1)
    x[:, 1] = 1
    with torch.no_grad():
        expected = _loaded(folder)(x)
        save_file(old, folder / "model.safetensors")
        assert torch.equal(_loaded(folder)(x), expected)


def test_a_sound_shorter_than_one_frame_has_features(tmp_path: Path) -> None:
    for kind in KINDS:
        backbone = _loaded(write_encoder(tmp_path / kind, kind))
        x = backbone.ready(torch.ones(1, 2, 90))
        assert torch.isfinite(backbone(x)).all()


def test_weights_of_another_encoder_are_refused_with_their_names(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a", "whisper")
    other = write_encoder(tmp_path / "b", "wavlm")
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(InvalidSourceError, match="do not fit sound-transformers/whisper: "):
        load_backbone(sound_source_of_folder(folder))
