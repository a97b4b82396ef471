"""Readers of sounds: in files of any fsspec file system, and in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import Digests, FileReader, file_bytes
from autotransfer.data.modality import Modality
from autotransfer.data.recent import Recent
from autotransfer.data.sounds.decoding import Sound, decode_sound, sound_of
from autotransfer.errors import CorruptImagesError

MEMORY = 512 << 20  # bytes of decoded sounds, of all readers of a process together


class SoundReader(FileReader):
    """Sounds in files; see `data.image_set.ImageReader`. What was decoded is kept in memory."""

    modality: ClassVar[Modality] = Modality.SOUND
    decode = staticmethod(decode_sound)

    @override
    def read(self, index: int, *_: Any) -> Sound:
        """Return one sound.

        Raises:
            CorruptImagesError: If the file is no sound that can be used.
        """
        found = _decoded.get(self.digests.known.get(index, ""))
        if found is None:
            found = super().read(index)
            _decoded.put(self.digests[index], found)
        return found


class GivenSounds:
    """Sounds in memory or by their paths; the name of a sound is its place.

    Args:
        sounds: Each (samples, rate); a mapping with `array` and `sampling_rate`, or with `bytes`
            or `path`, as Hugging Face has them; the bytes of a file; or a path.

    Attributes:
        digests: The sha256 of each file, or of samples and rate.
    """

    modality: ClassVar[Modality] = Modality.SOUND

    def __init__(self, sounds: Sequence[Any]) -> None:
        self._sounds = sounds
        self.names = tuple(map(str, range(len(sounds))))
        self.digests = Digests(len(sounds), self.read)

    def read(self, index: int, *_: Any) -> Sound:
        """Return one sound.

        Raises:
            CorruptImagesError: If it is none that can be used.
        """
        found = _decoded.get(self.digests.known.get(index, ""))
        if found is not None:
            return found
        try:
            found, digest = _of(self._sounds[index])
        except FileNotFoundError:
            raise CorruptImagesError([(self.names[index], "there is no such file")]) from None
        except (ValueError, TypeError, OSError) as error:
            raise CorruptImagesError([(self.names[index], str(error))]) from None
        self.digests.known[index] = digest
        _decoded.put(digest, found)
        return found


_decoded: Recent[str, Sound] = Recent(MEMORY, lambda sound: sound.samples.nbytes)


def sounds_of(items: ImageSet) -> list[Sound]:
    """Return the sounds of a set of sounds, in order."""
    return [items.read(i) for i in range(len(items))]


def _of(given: Any) -> tuple[Sound, str]:
    """Return a sound in memory, and what it is known by."""
    if isinstance(given, Mapping):
        if given.get("array") is not None:
            given = (given["array"], given.get("sampling_rate"))
        else:
            given = given.get("bytes") or given.get("path")
    if isinstance(given, tuple) and len(given) == 2:
        if np.ndim(given[1]) and not np.ndim(given[0]):
            raise ValueError("a pair (rate, samples); give (samples, rate)")
        sound = sound_of(given[0], _number(given[1]))
        told = f"{sound.rate}".encode() + sound.samples.tobytes()
        return sound, hashlib.sha256(told).hexdigest()
    if given is None:
        raise ValueError("there is nothing")
    if not isinstance(given, bytes | bytearray | str | os.PathLike):
        raise TypeError(
            f"a {type(given).__name__}; give (samples, rate), a path or a file's bytes"
        )
    content = bytes(given) if isinstance(given, bytes | bytearray) else file_bytes(given)
    return decode_sound(content), hashlib.sha256(content).hexdigest()


def _number(value: Any) -> float:
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"its rate is {value!r}, not a number of samples a second")
