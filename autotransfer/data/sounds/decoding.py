"""From the bytes of a sound file to samples of one channel."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.listing import shortened
from autotransfer.errors import InvalidTargetError

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
SHORTEST, LONGEST = 0.025, 600.0  # seconds: one frame of a spectrogram, and ten minutes
RATES = (1_000, 400_000)  # samples a second
SILENT = 1e-4  # of full scale, the loudest sample less the mean: 80 dB below it
CLIPPED = 0.01  # of the samples at the loudest value, which is near full scale
_FULL = 0.98
_INSTALL = "sounds need the extra `sound`: pip install 'autotransfer[sound]'"


@dataclass(frozen=True, eq=False)
class Sound:
    """Samples of one channel.

    Args:
        samples: (t,) float32 in [-1, 1].
        rate: Samples a second.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return len(self.samples) / self.rate

    @property
    def remark(self) -> str:
        """Return what a user should know of it though it can be used; empty for nothing."""
        loudest = np.abs(self.samples).max()
        clipped = (np.abs(self.samples) >= loudest * 0.999).mean() >= CLIPPED
        return "clipped" if clipped and loudest >= _FULL else ""

    def at(self, rate: int, seconds: float = LONGEST) -> NDArray[np.float32]:
        """Return its beginning as (t,) samples at another rate.

        Args:
            rate: Samples a second.
            seconds: At most so long.
        """
        samples = self.samples[: max(1, round(seconds * self.rate))]
        if rate == self.rate:
            return samples
        found: NDArray[np.float32] = needed("soxr").resample(samples, self.rate, rate)
        return found if len(found) else np.zeros(1, np.float32)


def needed(module: str) -> Any:
    """Return a module of the extra `sound`.

    Raises:
        InvalidTargetError: If it is not installed; the message says how to do so.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: the library below is not there
        raise InvalidTargetError(f"{_INSTALL} ({error})") from error


def decode_sound(content: bytes, *_: Any, most_samples: int | None = None) -> Sound:
    """Return the sound in a file, the mean of its channels.

    Args:
        content: The whole file: WAV, FLAC, Ogg, MP3 or AIFF.
        most_samples: Of all channels together; None is any number.

    Raises:
        ValueError: If it is no sound, silent, too short or too long; the message is the reason
            alone, for a list of such sounds.
    """
    library = needed("soundfile")
    try:
        with library.SoundFile(io.BytesIO(content)) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            _refuse_length(frames, rate)
            if most_samples is not None and frames * file.channels > most_samples:
                raise ValueError(
                    f"{frames * file.channels:,} samples; {most_samples:,} is the limit"
                )
            channels = file.read(dtype="float32", always_2d=True)  # (t, channels)
    except (library.SoundFileError, RuntimeError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"no sound that can be read ({_plain(error)})") from None
    return sound_of(channels, rate)


def sound_of(samples: Any, rate: Any) -> Sound:
    """Return samples in memory as a sound, the mean of their channels.

    Args:
        samples: (t,), (t, c) or (c, t), floats in [-1, 1] or integers of 8, 16 or 32 bits; the
            shorter axis is that of the channels.
        rate: Samples a second.

    Raises:
        ValueError: As for `decode_sound`.
    """
    values = np.asarray(samples)
    if values.ndim not in (1, 2) or values.dtype.kind not in "iuf":
        raise ValueError(f"samples of the shape {values.shape} and type {values.dtype}")
    if values.dtype.kind == "u":
        half = np.iinfo(values.dtype).max // 2
        values = (values.astype(np.int64) - half) / (half + 1)
    elif values.dtype.kind == "i":
        values = values / -float(np.iinfo(values.dtype).min)
    if values.ndim == 2:
        values = values.mean(axis=int(values.shape[1] <= values.shape[0]))
    found = Sound(np.ascontiguousarray(values, dtype=np.float32), _rate(rate))
    _refuse_length(len(found.samples), found.rate)
    if not np.isfinite(found.samples).all():
        raise ValueError("has samples that are infinite or NaN")
    loudest = np.abs(found.samples - found.samples.mean(dtype=np.float64)).max()
    if loudest < SILENT:
        raise ValueError("silent" if not loudest else f"silent (its peak is {loudest:.1e})")
    return found


def _rate(rate: Any) -> int:
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"{rate} samples a second; {RATES[0]:,} to {RATES[1]:,} are read")
    return int(np.rint(rate))


def _refuse_length(count: int, rate: int) -> None:
    if count <= 0:
        raise ValueError("has no samples")
    seconds = count / _rate(rate)
    if seconds < SHORTEST:
        raise ValueError(
            f"{1000 * seconds:.0f} ms long; at least {1000 * SHORTEST:.0f} are needed"
        )
    if seconds > LONGEST:
        raise ValueError(
            f"{seconds / 60:.0f} minutes long; {LONGEST / 60:.0f} are the limit: cut it up"
        )


def _plain(error: BaseException) -> str:
    """Return what a library says, without the object that it was given."""
    return shortened(str(error).rpartition(": ")[2].strip("' .") or type(error).__name__)
