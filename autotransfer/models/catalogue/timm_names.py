"""Sources by timm's own names, and those of the default sets."""

from __future__ import annotations

import difflib
import re
from typing import Any

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidOptionError, InvalidSourceError, UnknownNameError
from autotransfer.models.catalogue.default_sets import DEFAULT_SETS, measured_sizes
from autotransfer.models.source import HubWeights, Source
from autotransfer.models.timm_models import timm_models
from autotransfer.results import Json

_SECONDS_PER_GMAC = 0.05  # of one forward pass of an image on two laptop cores, an estimate
_CLOSE = 5
_AT_SIZE = re.compile(r"(?P<name>.+)@(?P<side>[1-9]\d{0,3})")
_DATA_SETS = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "lvd142m": "LVD-142M (self-supervised)",
    "lvd1689m": "LVD-1689M (self-supervised)",
    "openai": "WIT-400M (CLIP)",
    "laion2b": "LAION-2B (CLIP)",
    "webli": "WebLI (SigLIP)",
}
_PE_DATA_SET = "5.4 billion images with texts (Perception Encoder)"
# Their last layer leads to the space of texts: its outputs are no classes.
_BESIDE_TEXTS = re.compile(r"clip|pe_core|_mci")


def timm_source(name: str) -> Source:
    """Return the source of a timm name with pretrained weights on a hub.

    Args:
        name: As timm has it, with or without a tag; `NAME@224` reads images of 224 pixels
            instead of the size that the weights were trained at.

    Raises:
        UnknownNameError: If timm has no such name; close ones are listed.
        InvalidSourceError: If there are no pretrained weights for it, or not at that size.
    """
    timm, at_size = timm_models(), _AT_SIZE.fullmatch(name)
    plain = name if at_size is None else at_size["name"]
    architecture = plain.split(".")[0]
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=_CLOSE)
        raise UnknownNameError("source", name, [*DEFAULT_SETS, *close])
    config = timm.get_pretrained_cfg(plain)
    if config is None or not (config.hf_hub_id or config.url):
        tags = timm.list_pretrained(f"{architecture}.*")[:_CLOSE]
        raise InvalidSourceError(
            f"timm has no pretrained weights called {plain!r}; "
            + (f"it has {', '.join(tags)}" if tags else "name another, or a catalogue")
        )
    tag = config.tag or ""
    side = config.input_size[-1] if at_size is None else int(at_size["side"])
    return Source(
        name=name,
        architecture=architecture,
        weights=HubWeights(f"{architecture}.{tag}" if tag else architecture),
        preprocessing=_preprocessing(name, config, side),
        kwargs=_arguments(architecture, config, side),
        pretrained_on=_data_set(architecture, tag),
        license=config.license or "unknown",
        origin=config.origin_url or f"hub:{config.hf_hub_id}",
    )


def default_set(name: str) -> tuple[Source, ...]:
    """Return the sources of a default set."""
    return tuple(map(timm_source, DEFAULT_SETS[name]))


def describe_default_set(name: str, num_images: int) -> str:
    """Return licence, megabytes and expected minutes, to print before anything is fetched.

    The minutes are an estimate for one pass over the images on two laptop cores:
    images x GMACs x 0.05 s.
    """
    lines = [f"sources: the default set {name!r} from timm"]
    for source in default_set(name):
        size = measured_sizes()[source.name]
        minutes = num_images * size.gmacs * _SECONDS_PER_GMAC / 60
        lines.append(
            f"  {source.name}: {source.license}, {size.megabytes:.0f} MB to fetch once, about "
            f"{minutes:.1f} min for {num_images} images on a CPU"
        )
    return "\n".join(lines)


def _preprocessing(name: str, config: Any, side: int) -> Preprocessing:
    mean, std = tuple(config.mean), tuple(config.std)
    try:
        return Preprocessing(
            side, mean, std, config.interpolation or "bilinear", config.crop_pct or 1.0
        )
    except InvalidOptionError as error:
        raise InvalidSourceError(f"source {name!r}: {error}") from error


def _arguments(architecture: str, config: Any, side: int) -> dict[str, Json]:
    """Return what the architecture is made with, beside what its weights say."""
    found: dict[str, Json] = {}
    if config.fixed_input_size and side != config.input_size[-1]:
        found["img_size"] = side
    tag = config.tag or ""
    beside_texts = _BESIDE_TEXTS.search(f"{architecture}.{tag}") and "ft_in" not in tag
    if beside_texts and not architecture.startswith("resnet"):  # there it is also what pools
        found["num_classes"] = 0
    return found


def _data_set(architecture: str, tag: str) -> str:
    """Return what the weights were trained on, in the order in which they were."""
    if "pe_core" in architecture:
        return _PE_DATA_SET
    parts = [part for part in re.split(r"[_.]", tag) if part in _DATA_SETS]
    return ", then ".join(_DATA_SETS[part] for part in dict.fromkeys(parts)) or "unknown"
