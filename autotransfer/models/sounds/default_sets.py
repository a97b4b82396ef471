"""The default sets of sources of sounds by size, and what they cost; all of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autotransfer.models.sounds.folders import sound_source_of_hub
from autotransfer.models.source import Source

_SECONDS_PER_GMAC = 0.05  # as for images: of one forward pass on two laptop cores, an estimate


@dataclass(frozen=True)
class SoundModel:
    """A model of the hub.

    Args:
        name: OWNER/MODEL.
        license: As its owner states it.
        megabytes: Of its weights, 1e6 bytes, about.
        gmacs: Multiplications of one forward pass over `seconds`, 1e9, by its configuration.
        seconds: What a sound is filled up to; 0 where it is read as long as it is, and `gmacs` are
            of one second.
    """

    name: str
    license: str
    megabytes: int
    gmacs: float
    seconds: float = 0.0

    def minutes(self, num_sounds: int) -> float:
        """Return the minutes of one pass over so many sounds of a second, an estimate."""
        return num_sounds * self.gmacs * _SECONDS_PER_GMAC / 60


# All with safetensors, and trained on speech but for AST, which was on sounds of all kinds; the
# first is what to take when nothing is known. Left out for want of safetensors on the hub:
# microsoft/wavlm-base-plus, which can be converted and named by its folder.
SOUND_SETS: Mapping[str, tuple[SoundModel, ...]] = MappingProxyType(
    {
        "tiny": (SoundModel("openai/whisper-tiny", "Apache-2.0", 151, 18, 30.0),),
        "small": (
            SoundModel("facebook/wav2vec2-base-960h", "Apache-2.0", 378, 7),
            SoundModel("openai/whisper-base", "Apache-2.0", 290, 43, 30.0),
        ),
        "base": (
            SoundModel("facebook/wav2vec2-base-960h", "Apache-2.0", 378, 7),
            SoundModel("MIT/ast-finetuned-audioset-10-10-0.4593", "BSD-3-Clause", 346, 131, 10.24),
            SoundModel("openai/whisper-small", "Apache-2.0", 967, 170, 30.0),
        ),
    }
)


def sound_set(name: str) -> tuple[Source, ...]:
    """Return the sources of a default set, fetched where they are not there yet.

    Raises:
        InvalidSourceError: If one cannot be fetched.
    """
    return tuple(sound_source_of_hub(m.name, license=m.license) for m in SOUND_SETS[name])


def describe_sound_set(name: str, num_sounds: int) -> str:
    """Return licence, megabytes and expected minutes, to print before anything is fetched.

    The minutes are an estimate for one pass over sounds of a second on two laptop cores.
    """
    lines = [f"sources: the default set {name!r} for sounds"]
    lines += [
        f"  {model.name}: {model.license}, {model.megabytes} MB to fetch once, about "
        f"{model.minutes(num_sounds):.1f} min for {num_sounds} sounds of a second on a CPU"
        + (f" (each is filled up to {model.seconds:g} s)" if model.seconds else "")
        for model in SOUND_SETS[name]
    ]
    return "\n".join(lines)
