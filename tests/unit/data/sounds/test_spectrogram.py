"""Mel bands against an independent implementation and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autotransfer.data.sounds.spectrogram import Frames, log_mel, mel_filters, mel_power, mfcc


@pytest.mark.parametrize("frames", [Frames(), Frames(8000, 256, 80, 64)])
def test_the_filters_are_those_of_transformers(frames: Frames) -> None:
    audio = pytest.importorskip("transformers.audio_utils")
    wanted = audio.mel_filter_bank(
        frames.window // 2 + 1, frames.bands, 0, frames.rate / 2, frames.rate,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    assert np.allclose(mel_filters(frames), wanted.T, atol=1e-7)


def test_a_tone_lies_in_the_band_of_its_height_in_every_frame() -> None:
    t = torch.arange(16_000) / 16_000
    found = mel_power(torch.sin(2 * torch.pi * 1000 * t))
    assert found.shape == (101, 40)
    filters = mel_filters(Frames())
    assert set(found[5:-5].argmax(1).tolist()) == {int(filters[:, 25].argmax())}  # 25 x 40 Hz


def test_silence_is_at_the_floor_and_its_coefficients_are_the_loudness_alone() -> None:
    rows = log_mel(torch.zeros(1600)).numpy()
    assert np.allclose(rows, np.log(1e-10))
    found = mfcc(rows, 5)
    assert np.allclose(found[:, 0], np.log(1e-10) * np.sqrt(40), atol=1e-3)
    assert np.allclose(found[:, 1:], 0, atol=1e-4)
