"""The default sets of sources by size, what they cost, and their order as a prior."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from autotransfer.models.source import Source, Untrained

_FEWEST_KNOWN = 2  # an order needs at least two
SIZES_FILE = Path(__file__).with_name("default_sizes.json")

# All under Apache-2.0 or MIT, none behind a form; several families and kinds of pretraining, as
# what one misses another may have. The order is what to take first when nothing is known: the
# one before is expected to transfer better, from what their authors publish.
DEFAULT_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tiny": (
            "convnext_nano.in12k_ft_in1k",
            "vit_pe_core_tiny_patch16_384.fb",
            "mobilenetv4_hybrid_medium.e200_r256_in12k_ft_in1k",
            "mobilenetv4_conv_small.e2400_r224_in1k",
        ),
        "small": (
            "vit_small_patch14_reg4_dinov2.lvd142m@224",
            "convnext_tiny.in12k_ft_in1k",
            "vit_pe_core_small_patch16_384.fb",
            "mobilenetv4_conv_aa_large.e230_r384_in12k_ft_in1k",
        ),
        "base": (
            "vit_base_patch14_reg4_dinov2.lvd142m@224",
            "vit_base_patch16_siglip_224.v2_webli",
            "vit_pe_core_base_patch16_224.fb",
            "convnext_base.fb_in22k_ft_in1k",
        ),
    }
)


@dataclass(frozen=True)
class Size:
    """What a source costs, as it is used.

    Args:
        megabytes: Of parameters and buffers as 32-bit numbers, 1e6 bytes.
        gmacs: Multiply-adds of a forward pass of one image, 1e9.
    """

    megabytes: float
    gmacs: float


@cache
def measured_sizes() -> Mapping[str, Size]:
    """Return the sizes of the default sources, as `tests/benchmarks/source_sizes.py` found."""
    found = json.loads(SIZES_FILE.read_text(encoding="utf-8"))["sources"]
    return MappingProxyType({name: Size(**size) for name, size in found.items()})


def default_places(sources: Sequence[Source]) -> list[float | None]:
    """Return the place of each source in its default set, 0 (first) to 1 (last).

    Places compare within one set, which is the one that most of the sources are of; None stands
    for any other source, and for all where fewer than two have a place. A source is told by its
    name, so that weights on disk which are named as in the set have its place.
    """
    sets = [None if isinstance(s.weights, Untrained) else _set_of(s.name) for s in sources]
    known = Counter(name for name in sets if name is not None).most_common(1)
    if not known or known[0][1] < _FEWEST_KNOWN:
        return [None] * len(sources)
    names = DEFAULT_SETS[known[0][0]]
    return [
        names.index(source.name) / (len(names) - 1) if found == known[0][0] else None
        for source, found in zip(sources, sets, strict=True)
    ]


def _set_of(name: str) -> str | None:
    return next((title for title, names in DEFAULT_SETS.items() if name in names), None)


def default_name(device_type: str) -> str:
    """Return the name of the default set for a device, "cpu" or "cuda"."""
    return "small" if device_type == "cuda" else "tiny"
