"""Tiny sounds, files of them, and a network with random weights as a plugin of one file."""

from __future__ import annotations

import csv
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.decoding import needed
from autotransfer.data.sounds.listing import read_sounds

RATE = 8000
TONES = {"high": 2400.0, "low": 300.0, "middle": 900.0}  # hertz
SPEAKERS = ("alice", "bob", "carol", "dave")

PLUGIN = """
import torch
from torch import nn
from autotransfer.plugin import hookimpl, networks

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 8, batch_first=True)

    def forward(self, waves, lengths):
        bands = networks.mel_power(waves).clamp(min=1e-6).log()
        states, _ = self.lstm(bands)
        frames = 1 + lengths // 160
        last = states[torch.arange(len(states)), frames - 1]
        return networks.Heard([bands, states], frames, last)

def build(source):
    return networks.SoundBackbone(source, Network())

@hookimpl
def autotransfer_backbones():
    return [networks.BackboneBuilder("tiny-sounds", build)]
"""
CATALOGUE = """
[[source]]
name = "ears"
architecture = "tiny-sounds/lstm"
untrained = true
sample_rate = 16000
"""


def tone(
    hertz: float, seconds: float = 0.3, seed: int = 0, rate: int = RATE
) -> NDArray[np.float32]:
    """Return a tone in noise that begins and ends softly, of varying loudness."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    loud = rng.uniform(0.2, 0.7) * np.hanning(len(t))
    wave = loud * np.sin(2 * np.pi * hertz * rng.uniform(0.95, 1.05) * t)
    return (wave + 0.01 * rng.normal(size=len(t))).astype(np.float32)


def sounds(
    per_class: int, seed: int = 0
) -> tuple[list[tuple[NDArray[np.float32], int]], list[str]]:
    """Return tones of three heights and several lengths, and the heights."""
    rng = np.random.default_rng(seed)
    labels = [name for name in TONES for _ in range(per_class)]
    waves = [
        tone(TONES[name], rng.uniform(0.2, 0.5), int(rng.integers(1 << 30))) for name in labels
    ]
    return [(wave, RATE) for wave in waves], labels


def sound_set(per_class: int, seed: int = 0) -> ImageSet:
    """Return the same as a labelled set."""
    given, labels = sounds(per_class, seed)
    listing = read_sounds(given, labels)
    numbers = [listing.class_names.index(label) for label in labels]
    return ImageSet(listing.reader, np.arange(len(given)), numbers, listing.class_names)


def encoded(wave: NDArray[np.floating], kind: str = "WAV", rate: int = RATE) -> bytes:
    """Return a file of a sound."""
    soundfile = needed("soundfile")

    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format=kind)
    return stream.getvalue()


def write_sounds(folder: Path, per_class: int, seed: int = 0) -> Path:
    """Write class folders of wav files named by speaker, and a manifest with the speakers."""
    given, labels = sounds(per_class, seed)
    rows = []
    for i, ((wave, _), label) in enumerate(zip(given, labels, strict=True)):
        speaker = SPEAKERS[i % len(SPEAKERS)]
        file = folder / label / f"{speaker}_{i}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(wave))
        rows.append((f"{label}/{file.name}", label, speaker))
    with (folder / "sounds.csv").open("w", newline="", encoding="utf-8") as file_of_rows:
        csv.writer(file_of_rows).writerows([("sound", "label", "speaker"), *rows])
    return folder


def write_network(folder: Path) -> tuple[Path, Path]:
    """Write the plugin and its catalogue; return their paths."""
    plugin, catalogue = folder / f"ears_{zlib.crc32(bytes(folder))}.py", folder / "ears.toml"
    plugin.write_text(PLUGIN, encoding="utf-8")
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    return plugin, catalogue


WIDTH, LAYERS = 16, 3
KINDS = ("wav2vec2", "hubert", "wavlm", "audio-spectrogram-transformer", "whisper")
AST = "audio-spectrogram-transformer"


def config_of(kind: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a small encoder of sounds of a kind."""
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": 32}
    own: dict[str, Any] = {
        **sizes,
        "num_hidden_layers": LAYERS,
        "conv_dim": [8, 12],
        "conv_kernel": [10, 8],
        "conv_stride": [10, 16],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
    }
    if kind == AST:
        own = {**sizes, "num_hidden_layers": LAYERS, "patch_size": 8, "frequency_stride": 6}
        own |= {"time_stride": 6, "max_length": 64, "num_mel_bins": 32}
    if kind == "whisper":
        own = {"d_model": WIDTH, "encoder_layers": LAYERS, "encoder_attention_heads": 2}
        own |= {"encoder_ffn_dim": 32, "num_mel_bins": 20, "max_source_positions": 50}
        own |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
        own |= {"vocab_size": 8, "max_target_positions": 8, "pad_token_id": 0}
        own |= {"decoder_start_token_id": 1, "bos_token_id": 1, "eos_token_id": 2}
    return {"model_type": kind, **own, **more}


def reading_of(kind: str) -> dict[str, Any]:
    """Return what the `preprocessor_config.json` of such an encoder says."""
    if kind == AST:
        return {"sampling_rate": 16_000, "num_mel_bins": 32, "max_length": 64}
    if kind == "whisper":
        return {"sampling_rate": 16_000, "feature_size": 20, "chunk_length": 1}
    return {"sampling_rate": 16_000, "do_normalize": True, "feature_size": 1}


_WRITTEN: dict[str, dict[str, bytes]] = {}  # of encoders, so that each is made once


def write_encoder(folder: Path, kind: str = "wav2vec2", seed: int = 0, **more: Any) -> Path:
    """Write an encoder of sounds with random weights, as `save_pretrained` does."""
    key = f"{kind} {seed} {sorted(more.items())}"
    if key not in _WRITTEN:
        _save(folder, kind, seed, more)
        _WRITTEN[key] = {file.name: file.read_bytes() for file in folder.iterdir()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _WRITTEN[key].items():
        (folder / name).write_bytes(content)
    return folder


def _save(folder: Path, kind: str, seed: int, more: dict[str, Any]) -> None:
    import torch
    import transformers

    own = {key: value for key, value in config_of(kind, **more).items() if key != "model_type"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(transformers.CONFIG_MAPPING[kind](**own))
        for parameter in model.parameters():  # as drawn some are zero, and say nothing
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    told = json.dumps(reading_of(kind))
    (folder / "preprocessor_config.json").write_text(told, encoding="utf-8")
