"""The kinds of encoders of sounds: what is read of their configuration, and what makes them.

Of `config.json` and `preprocessor_config.json` the names here are read and no others: neither code nor
files can be named in them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from autotransfer.errors import InvalidSourceError
from autotransfer.models.sounds.convolved import ConvolvedEncoder, WavLMEncoder
from autotransfer.models.sounds.encoder import SoundEncoder
from autotransfer.models.sounds.fronts import WaveFront, kaldi_front, whisper_front
from autotransfer.models.sounds.spectral import PatchEncoder, WhisperEncoder
from autotransfer.results import Json

INSTALL = "encoders of sounds need the extra `sound`: pip install 'autotransfer[sound]'"
USUAL_SECONDS = 10.0
_MOST = {"feature_size": 512, "num_mel_bins": 512, "n_fft": 8192, "hop_length": 8192}
_MOST_FRAMES = 60_000
_RATE = 16_000
_OF_LAYERS = "hidden_size num_hidden_layers num_attention_heads intermediate_size layer_norm_eps"
_OF_WAVES = f"""{_OF_LAYERS} hidden_act hidden_dropout activation_dropout attention_dropout
feat_proj_dropout feat_extract_norm feat_extract_activation conv_dim conv_stride conv_kernel conv_bias
num_conv_pos_embeddings num_conv_pos_embedding_groups do_stable_layer_norm"""
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


def reading_of(kind: str, told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Json]:
    """Return how a kind of encoder reads sounds.

    Args:
        kind: One of `KINDS`.
        told: The values of its `preprocessor_config.json`.
        config: Those of its `config.json`.

    Raises:
        ValueError: If a value is not allowed, or the two do not agree.
    """
    usual = KINDS[kind].reading
    found = {name: told.get(name, value) for name, value in usual.items()}
    for name, value in found.items():
        like, whole = usual[name], isinstance(usual[name], int)
        number = isinstance(value, bool) == isinstance(like, bool) and isinstance(
            value, int if whole else int | float
        )
        if not number or (whole and not isinstance(like, bool) and value < 1):
            raise ValueError(f"{name} in preprocessor_config.json is {str(value)[:64]!r}")
        if value > _MOST.get(name, _MOST_FRAMES):
            raise ValueError(f"{name} in preprocessor_config.json is {value}, which is too much")
    pairs: tuple[tuple[str, float, float], ...] = ()
    if kind == "whisper":
        frames = int(found["chunk_length"]) * rate_of(told) // int(found["hop_length"])
        if frames > _MOST_FRAMES:
            raise ValueError(f"{frames} frames of a sound in preprocessor_config.json")
        pairs = (
            ("num_mel_bins", config.get("num_mel_bins", 80), found["feature_size"]),
            ("max_source_positions", config.get("max_source_positions", 1500), frames / 2),
        )
    elif "max_length" in usual:
        if not found["std"]:
            raise ValueError("std in preprocessor_config.json is 0")
        pairs = tuple((n, config.get(n, usual[n]), found[n]) for n in ("num_mel_bins", "max_length"))
    for name, wanted, given in pairs:
        if wanted != given:
            raise ValueError(
                f"{name} in config.json is {wanted}, and preprocessor_config.json gives {given:g}"
            )
    return found


def rate_of(told: Mapping[str, Any]) -> int:
    """Return the samples a second that a `preprocessor_config.json` says."""
    rate = told.get("sampling_rate", _RATE)
    if not isinstance(rate, int) or isinstance(rate, bool):
        raise ValueError(f"sampling_rate in preprocessor_config.json is {str(rate)[:64]!r}")
    return rate


def seconds_of(reading: Mapping[str, Any], rate: int) -> float:
    """Return how much of a sound is read, in seconds."""
    if "chunk_length" in reading:
        return float(reading["chunk_length"])
    if "max_length" in reading:
        return float(reading["max_length"]) * 160 / rate
    return USUAL_SECONDS


def library() -> Any:
    """Return transformers.

    Raises:
        InvalidSourceError: If it is not installed; the message says how to do so.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InvalidSourceError(f"{INSTALL} ({error})") from error
