"""Readers of sounds: in files of any fsspec file system, and in memory."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import Digests, FileReader, file_bytes
from autotransfer.data.modality import Modality
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
        digest = self._digests.get(index)
        found = None if digest is None else _decoded.get(digest)
        if found is None:
            found = super().read(index)
            _decoded.put(self._digests[index], found)
        return found


class GivenSounds:
    """Sounds in memory or by their paths; the name of a sound is its place.

    Args:
        sounds: Each (samples, rate); a mapping with `array` and `sampling_rate`, or with `bytes`
            or `path`, as Hugging Face has them; the bytes of a file; or a path.
        names: What each is called; None numbers them.
    """

    modality: ClassVar[Modality] = Modality.SOUND

    def __init__(self, sounds: Sequence[Any], names: Sequence[str] | None = None) -> None:
        self._sounds = sounds
        self.names = tuple(map(str, range(len(sounds)) if names is None else names))
        self._digests: dict[int, str] = {}

    @property
    def digests(self) -> Digests:
        """Return the sha256 of each file, or of samples and rate."""
        return Digests(len(self._sounds), self._digest)

    def read(self, index: int, *_: Any) -> Sound:
        """Return one sound.

        Raises:
            CorruptImagesError: If it is none that can be used.
        """
        found = _decoded.get(self._digests.get(index, ""))
        if found is not None:
            return found
        try:
            found, digest = _of(self._sounds[index])
        except FileNotFoundError:
            raise CorruptImagesError([(self.names[index], "there is no such file")]) from None
        except (ValueError, TypeError, OSError) as error:
            raise CorruptImagesError([(self.names[index], str(error))]) from None
        self._digests[index] = digest
        _decoded.put(digest, found)
        return found

    def _digest(self, index: int) -> str:
        if index not in self._digests:
            self.read(index)
        return self._digests[index]


class _Decoded:
    """Decoded sounds by their digest; those not used for longest go first."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Sound | None:
        with self._lock:
            if digest in self._sounds:
                self._sounds.move_to_end(digest)
            return self._sounds.get(digest)

    def put(self, digest: str, sound: Sound) -> None:
        with self._lock:
            if digest in self._sounds:
                return
            self._sounds[digest] = sound
            self._bytes += sound.samples.nbytes
            while self._bytes > self._most:
                _, oldest = self._sounds.popitem(last=False)
                self._bytes -= oldest.samples.nbytes


_decoded = _Decoded(MEMORY)


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
