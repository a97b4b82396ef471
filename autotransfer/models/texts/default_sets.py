"""The default sets of sources of texts by size, and what they cost; all of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_hub

_SECONDS_PER_GMAC = 0.05  # as for images: of one forward pass on two laptop cores, an estimate
_TOKENS = 32  # of a sentence


@dataclass(frozen=True)
class TextModel:
    """A model of the hub.

    Args:
        name: OWNER/MODEL.
        license: As its owner states it.
        megabytes: Of its weights, 1e6 bytes.
        millions: Of parameters that each token goes through; embeddings are looked up.
    """

    name: str
    license: str
    megabytes: int
    millions: int

    def minutes(self, num_texts: int) -> float:
        """Return the minutes of one pass over so many sentences, an estimate."""
        return num_texts * _TOKENS * self.millions * 1e-3 * _SECONDS_PER_GMAC / 60


# All with safetensors and under Apache-2.0 or MIT; the first is what to take when nothing is
# known. Sizes are those that the hub states.
TEXT_SETS: Mapping[str, tuple[TextModel, ...]] = MappingProxyType(
    {
        "tiny": (
            TextModel("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0", 91, 11),
            TextModel("minishlab/potion-base-8M", "MIT", 30, 0),
        ),
        "small": (
            TextModel("BAAI/bge-small-en-v1.5", "MIT", 133, 21),
            TextModel("sentence-transformers/all-MiniLM-L12-v2", "Apache-2.0", 133, 21),
            TextModel("intfloat/multilingual-e5-small", "MIT", 471, 21),
            TextModel("minishlab/potion-base-8M", "MIT", 30, 0),
        ),
        "base": (
            TextModel("BAAI/bge-base-en-v1.5", "MIT", 438, 85),
            TextModel("sentence-transformers/all-mpnet-base-v2", "Apache-2.0", 438, 85),
            TextModel("intfloat/multilingual-e5-base", "MIT", 1112, 85),
        ),
    }
)


def text_set(name: str) -> tuple[Source, ...]:
    """Return the sources of a default set, fetched where they are not there yet.

    Raises:
        InvalidSourceError: If one cannot be fetched.
    """
    return tuple(source_of_hub(m.name, license=m.license) for m in TEXT_SETS[name])


def describe_text_set(name: str, num_texts: int) -> str:
    """Return licence, megabytes and expected minutes, to print before anything is fetched.

    The minutes are an estimate for one pass over sentences of 32 tokens on two laptop cores.
    """
    lines = [f"sources: the default set {name!r} for texts"]
    lines += [
        f"  {model.name}: {model.license}, {model.megabytes} MB to fetch once, about "
        f"{model.minutes(num_texts):.1f} min for {num_texts} texts on a CPU"
        for model in TEXT_SETS[name]
    ]
    return "\n".join(lines)
