"""Sources by timm's own names, and the default sets by size."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import timm

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSourceError, UnknownNameError
from autotransfer.models.source import HubWeights, Source

_SECONDS_PER_GMAC = 0.05  # of one forward pass of an image on two laptop cores, an estimate
_CLOSE = 5


@dataclass(frozen=True)
class DefaultSource:
    """A timm name with what it costs.

    Args:
        name: The name with its pretrained tag.
        megabytes: Size of the download, 1e6 bytes.
        gmacs: Multiply-adds of a forward pass at its native size, 1e9.
    """

    name: str
    megabytes: float
    gmacs: float


# Different families and pretraining: what one misses, another may have.
DEFAULT_SETS: Mapping[str, tuple[DefaultSource, ...]] = MappingProxyType(
    {
        "tiny": (
            DefaultSource("mobilenetv3_small_100.lamb_in1k", 10.2, 0.06),
            DefaultSource("efficientnet_lite0.ra_in1k", 18.6, 0.40),
            DefaultSource("resnet18.a1_in1k", 46.8, 1.82),
            DefaultSource("vit_tiny_patch16_224.augreg_in21k_ft_in1k", 22.9, 1.26),
        ),
        "small": (
            DefaultSource("resnet50.a1_in1k", 102.2, 4.11),
            DefaultSource("convnext_tiny.in12k_ft_in1k", 114.4, 4.47),
            DefaultSource("vit_small_patch16_224.augreg_in21k_ft_in1k", 88.2, 4.61),
            DefaultSource("vit_small_patch14_dinov2.lvd142m", 88.2, 46.76),
        ),
        "base": (
            DefaultSource("convnext_base.fb_in22k_ft_in1k", 354.4, 15.38),
            DefaultSource("vit_base_patch16_224.augreg2_in21k_ft_in1k", 346.3, 17.58),
            DefaultSource("vit_base_patch16_clip_224.openai", 344.8, 17.58),
            DefaultSource("vit_base_patch14_dinov2.lvd142m", 346.3, 151.71),
        ),
    }
)


def timm_source(name: str) -> Source:
    """Return the source of a timm name with pretrained weights on a hub.

    Raises:
        UnknownNameError: If timm has no such name; close ones are listed.
        InvalidSourceError: If there are no pretrained weights for it.
    """
    architecture = name.split(".")[0]
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=_CLOSE)
        raise UnknownNameError("source", name, [*DEFAULT_SETS, *close])
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        tags = timm.list_pretrained(f"{architecture}.*")[:_CLOSE]
        raise InvalidSourceError(
            f"timm has no pretrained weights called {name!r}; "
            + (f"it has {', '.join(tags)}" if tags else "name another, or a catalogue")
        )
    full = f"{architecture}.{config.tag}" if config.tag else architecture
    return Source(
        name=name,
        architecture=architecture,
        weights=HubWeights(full),
        preprocessing=Preprocessing(
            config.input_size[-1],
            tuple(config.mean),
            tuple(config.std),
            config.interpolation or "bilinear",
            config.crop_pct or 1.0,
        ),
        pretrained_on=_data_set(config.tag or ""),
        license=config.license or "unknown",
        origin=config.origin_url or f"hub:{config.hf_hub_id}",
    )


def default_set(name: str) -> tuple[Source, ...]:
    """Return the sources of a default set."""
    return tuple(timm_source(entry.name) for entry in DEFAULT_SETS[name])


def describe_default_set(name: str, num_images: int) -> str:
    """Return licence, megabytes and expected minutes, to print before anything is fetched.

    The minutes are an estimate for one pass over the images on two laptop cores:
    images x GMACs x 0.05 s.
    """
    lines = [f"sources: the default set {name!r} from timm"]
    for entry in DEFAULT_SETS[name]:
        source = timm_source(entry.name)
        minutes = num_images * entry.gmacs * _SECONDS_PER_GMAC / 60
        lines.append(
            f"  {entry.name}: {source.license}, {entry.megabytes:.0f} MB to fetch once, about "
            f"{minutes:.1f} min for {num_images} images on a CPU"
        )
    return "\n".join(lines)


def _data_set(tag: str) -> str:
    parts = {
        "in1k": "ImageNet-1k",
        "in12k": "ImageNet-12k",
        "in21k": "ImageNet-21k",
        "in22k": "ImageNet-22k",
        "lvd142m": "LVD-142M (self-supervised)",
        "openai": "WIT-400M (CLIP)",
    }
    return ", then ".join(full for short, full in parts.items() if short in tag) or "unknown"
