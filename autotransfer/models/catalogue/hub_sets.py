"""The default sets of sources of texts and sounds by size, and what they cost; all of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autotransfer.data.modality import Modality

_SECONDS_PER_GMAC = 0.05  # as for images: of one forward pass on two laptop cores, an estimate
_MILLION = 0.032  # gmacs of a sentence of 32 tokens, each of which goes through 1e6 parameters


@dataclass(frozen=True)
class HubModel:
    """A model of the hub.

    Args:
        name: OWNER/MODEL.
        license: As its owner states it.
        megabytes: Of its weights, 1e6 bytes, about.
        gmacs: Multiplications of one forward pass, 1e9, by its configuration: over a sentence of
            32 tokens, whose embeddings are looked up; over `seconds` of a sound.
        seconds: What a sound is filled up to; 0 where it is read as long as it is, and `gmacs` are
            of one second.
    """

    name: str
    license: str
    megabytes: int
    gmacs: float
    seconds: float = 0.0

    def minutes(self, num_items: int) -> float:
        """Return the minutes of one pass over sentences or sounds of a second, an estimate."""
        return num_items * self.gmacs * _SECONDS_PER_GMAC / 60


# All with safetensors; the first is what to take when nothing is known. Sizes are those that the
# hub states. Those of texts are under Apache-2.0 or MIT. Those of sounds were trained on speech
# but for AST, which was on sounds of all kinds; left out for want of safetensors on the hub:
# microsoft/wavlm-base-plus, which can be converted and named by its folder.
_TEXTS = {
    "tiny": (
        HubModel("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0", 91, 11 * _MILLION),
        HubModel("minishlab/potion-base-8M", "MIT", 30, 0),
    ),
    "small": (
        HubModel("BAAI/bge-small-en-v1.5", "MIT", 133, 21 * _MILLION),
        HubModel("sentence-transformers/all-MiniLM-L12-v2", "Apache-2.0", 133, 21 * _MILLION),
        HubModel("intfloat/multilingual-e5-small", "MIT", 471, 21 * _MILLION),
        HubModel("minishlab/potion-base-8M", "MIT", 30, 0),
    ),
    "base": (
        HubModel("BAAI/bge-base-en-v1.5", "MIT", 438, 85 * _MILLION),
        HubModel("sentence-transformers/all-mpnet-base-v2", "Apache-2.0", 438, 85 * _MILLION),
        HubModel("intfloat/multilingual-e5-base", "MIT", 1112, 85 * _MILLION),
    ),
}
_SOUNDS = {
    "tiny": (HubModel("openai/whisper-tiny", "Apache-2.0", 151, 18, 30.0),),
    "small": (
        HubModel("facebook/wav2vec2-base-960h", "Apache-2.0", 378, 7),
        HubModel("openai/whisper-base", "Apache-2.0", 290, 43, 30.0),
    ),
    "base": (
        HubModel("facebook/wav2vec2-base-960h", "Apache-2.0", 378, 7),
        HubModel("MIT/ast-finetuned-audioset-10-10-0.4593", "BSD-3-Clause", 346, 131, 10.24),
        HubModel("openai/whisper-small", "Apache-2.0", 967, 170, 30.0),
    ),
}
HUB_SETS: Mapping[Modality, Mapping[str, tuple[HubModel, ...]]] = MappingProxyType(
    {Modality.TEXT: _TEXTS, Modality.SOUND: _SOUNDS}
)


def describe_hub_set(name: str, modality: Modality, num_items: int) -> str:
    """Return licence, megabytes and expected minutes, to print before anything is fetched.

    The minutes are an estimate for one pass over sentences of 32 tokens, or sounds of a second,
    on two laptop cores.
    """
    items = "sounds of a second" if modality is Modality.SOUND else modality.plural
    lines = [f"sources: the default set {name!r} for {modality.plural}"]
    lines += [
        f"  {model.name}: {model.license}, {model.megabytes} MB to fetch once, about "
        f"{model.minutes(num_items):.1f} min for {num_items} {items} on a CPU"
        + (f" (each is filled up to {model.seconds:g} s)" if model.seconds else "")
        for model in HUB_SETS[modality][name]
    ]
    return "\n".join(lines)
