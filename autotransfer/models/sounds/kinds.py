"""The kinds of encoders of sounds: what is read of their configuration, and what makes them.

Of `config.json` and `preprocessor_config.json` the names here are read and no others: neither code
nor files can be named in them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from autotransfer.models.sounds.convolved import ConvolvedEncoder, WavLMEncoder
from autotransfer.models.sounds.encoder import SoundEncoder
from autotransfer.models.sounds.fronts import WaveFront, kaldi_front, whisper_front
from autotransfer.models.sounds.spectral import PatchEncoder, WhisperEncoder
from autotransfer.results import Json

INSTALL = "encoders of sounds need the extra `sound`: pip install 'autotransfer[sound]'"
_OF_LAYERS = "hidden_size num_hidden_layers num_attention_heads intermediate_size layer_norm_eps"
_OF_WAVES = f"""{_OF_LAYERS} hidden_act hidden_dropout activation_dropout attention_dropout
feat_proj_dropout feat_extract_norm feat_extract_activation conv_dim conv_stride conv_kernel
conv_bias num_conv_pos_embeddings num_conv_pos_embedding_groups do_stable_layer_norm"""
_OF_AST = f"""{_OF_LAYERS} hidden_act hidden_dropout_prob attention_probs_dropout_prob patch_size
qkv_bias frequency_stride time_stride max_length num_mel_bins"""
_OF_WHISPER = """d_model encoder_layers encoder_attention_heads encoder_ffn_dim num_mel_bins
max_source_positions activation_function activation_dropout attention_dropout"""
_WAVES: Mapping[str, Json] = {"do_normalize": True}
_KALDI: Mapping[str, Json] = {
    "num_mel_bins": 128,
    "max_length": 1024,
    "do_normalize": True,
    "mean": -4.2677393,
    "std": 4.5689974,
}
_MEL: Mapping[str, Json] = {
    "feature_size": 80,
    "n_fft": 400,
    "hop_length": 160,
    "chunk_length": 30,
}
_WEIGHT_NORM = (
    (r"\.weight_g$", ".parametrizations.weight.original0"),
    (r"\.weight_v$", ".parametrizations.weight.original1"),
)
_AST_BEFORE = (  # transformers 5
    (r"\bencoder\.layer\.", "layers."),
    (r"\battention\.attention\.(query|key|value)\.", r"attention.\1."),
    (r"\battention\.(q|k|v)(uery|ey|alue)\.", r"attention.\1_proj."),
    (r"\battention\.output\.dense\.", "attention.o_proj."),
    (r"\bintermediate\.dense\.", "mlp.fc1."),
    (r"\boutput\.dense\.", "mlp.fc2."),
)


def _whole(library: Any, config: Any) -> nn.Module:
    model: nn.Module = library.AutoModel.from_config(config)
    if hasattr(model, "masked_spec_embed"):  # of spans that are masked in pretraining
        del model.masked_spec_embed
    return model


def _whisper(_library: Any, config: Any) -> nn.Module:
    made = importlib.import_module("transformers.models.whisper.modeling_whisper")
    model: nn.Module = made.WhisperEncoder(config)
    return model


@dataclass(frozen=True)
class Kind:
    """A kind of encoder.

    Args:
        config: Names that are read of `config.json`, apart by spaces.
        reading: Names that are read of `preprocessor_config.json`, and what they are without it.
        encoder: What walks its layers.
        front: Makes what it reads of samples, from the reading and the rate.
        prefixes: What the names of its weights may begin with.
        made: Makes it, from the library and its configuration.
        renamed: What earlier versions of the library or of torch wrote in names, and what it is
            now, as regular expressions that are applied in turn.
    """

    config: str
    reading: Mapping[str, Json]
    encoder: type[SoundEncoder]
    front: Callable[[Mapping[str, Any], int], nn.Module]
    prefixes: tuple[str, ...]
    made: Callable[[Any, Any], nn.Module] = _whole
    renamed: tuple[tuple[str, str], ...] = ()

    def name_now(self, name: str) -> str:
        """Return the present name of a tensor."""
        for old, new in self.renamed:
            name = re.sub(old, new, name)
        return name


def _of_waves(name: str, more: str = "", encoder: type[SoundEncoder] = ConvolvedEncoder) -> Kind:
    def front(reading: Mapping[str, Any], _rate: int) -> nn.Module:
        return WaveFront(normalised=bool(reading["do_normalize"]))

    prefixes = ("", f"{name}.")
    return Kind(f"{_OF_WAVES} {more}", _WAVES, encoder, front, prefixes, renamed=_WEIGHT_NORM)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "wav2vec2": _of_waves("wav2vec2"),
        "hubert": _of_waves("hubert", "feat_proj_layer_norm"),
        "wavlm": _of_waves("wavlm", "num_buckets max_bucket_distance", WavLMEncoder),
        "audio-spectrogram-transformer": Kind(
            _OF_AST,
            _KALDI,
            PatchEncoder,
            kaldi_front,
            ("", "audio_spectrogram_transformer."),
            renamed=_AST_BEFORE,
        ),
        "whisper": Kind(
            _OF_WHISPER,
            _MEL,
            WhisperEncoder,
            whisper_front,
            ("", "encoder.", "model.encoder."),
            _whisper,
        ),
    }
)
