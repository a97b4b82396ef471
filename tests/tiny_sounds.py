"""Tiny sounds, files of them, and a network with random weights as a plugin of one file."""

from __future__ import annotations

import csv
import io
import zlib
from pathlib import Path

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
