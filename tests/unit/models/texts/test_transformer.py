from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import CutError, InvalidSourceError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.texts.backbone import with_mask
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.models.texts.transformer import (
    Encoder,
    TransformerBackbone,
    arguments_of,
    stage_depths,
)
from tests.tiny_texts import LAYERS, WIDTH, write_encoder

TEXTS = ["the song is not my tune", "a goal", "one bank has some cash the team was it very"]
KINDS = (
    "bert",
    "roberta",
    "distilbert",
    "mpnet",
    "electra",
    "deberta-v2",
    "xlm-roberta",
    "modernbert",
    "camembert",
)


def _items(texts: list[str]) -> ImageSet:
    return ImageSet(TextReader(texts), np.arange(len(texts)))


def _loaded(folder: Path) -> TransformerBackbone:
    found = load_backbone(source_of_folder(folder))
    assert isinstance(found, TransformerBackbone)
    return found


def _hidden(backbone: TransformerBackbone, x: torch.Tensor) -> list[torch.Tensor]:
    assert isinstance(backbone.network, Encoder)
    return backbone.network.hidden(x[:, 0], x[:, 1])


def test_a_stage_is_the_masked_mean_of_the_hidden_states_that_transformers_gives(
    tmp_path: Path,
) -> None:
    import transformers

    write_encoder(tmp_path / "tiny")
    backbone = _loaded(tmp_path / "tiny")
    x = backbone.prepared(_items(TEXTS))
    model = transformers.AutoModel.from_pretrained(tmp_path / "tiny").eval()
    with torch.no_grad():
        found = backbone.features(x).pooled
        hidden = model(
            input_ids=x[:, 0], attention_mask=x[:, 1], output_hidden_states=True
        ).hidden_states
    assert len(found) == len(hidden) == LAYERS + 1
    for stage, states in zip(found, hidden, strict=True):
        for i, text in enumerate(TEXTS):
            own = states[i, : len(text.split()) + 2].mean(0)  # with the marks around it
            assert torch.allclose(stage[i], own, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_after_a_cut_answer_as_the_whole_encoder_does(
    kind: str, tmp_path: Path
) -> None:
    backbone = _loaded(write_encoder(tmp_path / kind, kind))
    x = backbone.prepared(_items(TEXTS))
    with torch.no_grad():
        whole, hidden = backbone(x), _hidden(backbone, x)
        for depth in range(LAYERS):
            later = backbone.after(depth)
            halves = later(with_mask(hidden[depth], x[:, 1]))
            assert (halves - whole).abs().max() <= 1e-6, depth
            for name, value in later.state_dict().items():  # by the names they had
                assert torch.equal(value, backbone.state_dict()[name]), name


def test_a_deberta_whose_first_layer_has_a_convolution_is_cut_after_it(tmp_path: Path) -> None:
    more: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
    more |= {"position_buckets": 8, "norm_rel_ebd": "layer_norm", "conv_kernel_size": 3}
    backbone = _loaded(write_encoder(tmp_path / "d", "deberta-v2", **more))
    x = backbone.prepared(_items(TEXTS))
    with torch.no_grad():
        whole, hidden = backbone(x), _hidden(backbone, x)
        for depth in range(LAYERS):
            halves = backbone.after(depth)(with_mask(hidden[depth], x[:, 1]))
            assert (halves - whole).abs().max() <= 1e-6, depth


def test_minilm_is_cut_exactly_after_every_layer(kit: Path) -> None:
    backbone = _loaded(kit / "weights" / "minilm_l6")
    x = backbone.prepared(_items(["where is my card?", "my card was charged twice, and why"]))
    with torch.no_grad():
        whole, hidden = backbone(x), _hidden(backbone, x)
        for depth in range(6):
            halves = backbone.after(depth)(with_mask(hidden[depth], x[:, 1]))
            assert (halves - whole).abs().max() <= 1e-6, depth


def test_albert_shares_its_layers_and_is_not_cut(tmp_path: Path) -> None:
    backbone = _loaded(write_encoder(tmp_path / "a", "albert", embedding_size=8))
    with pytest.raises(CutError):
        backbone.after(1)
    frozen, whole = backbone.cut(2)
    assert frozen == 0
    x = backbone.prepared(_items(TEXTS))
    with torch.no_grad():
        assert torch.equal(whole.eval()(x), backbone(x))


def test_a_text_has_the_same_features_alone_and_beside_a_longer_one(tmp_path: Path) -> None:
    backbone = _loaded(write_encoder(tmp_path / "tiny"))
    with torch.no_grad():
        beside = backbone.features(backbone.prepared(_items(TEXTS))).pooled[-1][1]
        alone = backbone.features(backbone.prepared(_items(TEXTS[1:2]))).pooled[-1][0]
    assert torch.allclose(beside, alone, atol=1e-6)


def test_a_kept_row_has_no_padding_and_the_mask_as_its_last_column(tmp_path: Path) -> None:
    backbone = _loaded(write_encoder(tmp_path / "tiny"))
    with torch.no_grad():
        rows = backbone.activations(backbone.prepared(_items(TEXTS)), 2)
    assert rows.shape == (3, 12, WIDTH + 1)
    assert backbone.own_part(rows[1]).shape == (4, WIDTH + 1)
    assert backbone.own_part(rows[1])[:, -1].tolist() == [1.0] * 4


def test_the_first_token_is_read_where_the_folder_says_so(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "tiny")
    (folder / "1_Pooling").mkdir()
    said = '{"pooling_mode_cls_token": true}'
    (folder / "1_Pooling" / "config.json").write_text(said, encoding="utf-8")
    backbone = _loaded(folder)
    x = backbone.prepared(_items(TEXTS))
    with torch.no_grad():
        first = _hidden(backbone, x)[-1][:, 0]
        assert torch.equal(backbone(x), first)


def test_of_many_layers_the_stages_are_the_embeddings_and_four_groups() -> None:
    assert stage_depths(3) == (0, 1, 2, 3)
    assert stage_depths(6) == (0, 2, 3, 4, 6)
    assert stage_depths(12) == (0, 3, 6, 9, 12)


def test_what_a_configuration_says_of_code_and_files_is_left_out() -> None:
    said = {
        "hidden_size": 8,
        "auto_map": {"AutoModel": "evil.Model"},
        "_name_or_path": "/etc",
        "_attn_implementation": "somebody/kernel",
        "attn_implementation": "somebody/kernel",
        "id2label": {"0": "a"},
    }
    assert arguments_of(said) == {"hidden_size": 8}
    with pytest.raises(ValueError, match="hidden_size"):
        arguments_of({"hidden_size": 10**9})


def test_weights_of_another_encoder_are_refused_with_their_names(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "tiny")
    other = write_encoder(tmp_path / "other", num_hidden_layers=2)
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(InvalidSourceError, match="the weights do not fit transformers/bert: "):
        load_backbone(source_of_folder(folder))
