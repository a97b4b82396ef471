"""A sound inside the page: a player, and its spectrogram."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.decoding import needed
from autotransfer.data.sounds.spectrogram import Frames, log_mel
from autotransfer.report.markup import clean, encoded

FRAMES = Frames(bands=64)
SECONDS = 5.0  # of the beginning, at 16 kHz: 100 KB as FLAC
_WIDTH, _HEIGHT = 224, 64  # pixels
_RANGE = 60 * np.log(10) / 10  # 60 decibels below the loudest band


def player(sounds: ImageSet, position: int, alt: str) -> Markup:
    """Return the beginning of a sound with its content inside, below its spectrogram."""
    sound = sounds.read(position)
    samples = sound.at(FRAMES.rate, SECONDS)
    stream = io.BytesIO()
    needed("soundfile").write(stream, samples, FRAMES.rate, format="FLAC", subtype="PCM_16")
    shown = f"the first {SECONDS:g} of " if sound.seconds > SECONDS else ""
    return Markup(
        '<img src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">'
        '<audio controls preload="none" src="data:audio/flac;base64,{}"></audio>'
        "<div>{}{} s</div>"
    ).format(
        _spectrogram(samples), _WIDTH, _HEIGHT, clean(alt),
        base64.b64encode(stream.getvalue()).decode("ascii"), shown, f"{sound.seconds:.2f}",
    )  # fmt: skip


def _spectrogram(samples: np.ndarray) -> str:
    """Return a picture of time and frequency as base64; low ones are below, loud ones dark."""
    rows = log_mel(torch.from_numpy(samples), FRAMES).numpy()
    levels = np.clip((rows.max() - rows) / _RANGE, 0, 1) * 255
    image = Image.fromarray(levels.T[::-1].astype(np.uint8)).resize((_WIDTH, _HEIGHT))
    return encoded(image, "PNG")
