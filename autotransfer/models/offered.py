"""Networks whose code a plugin offers: made at random, then loaded with weights."""

from __future__ import annotations

import threading

import torch

from autotransfer.data.untrusted_files import reason
from autotransfer.errors import InvalidSourceError
from autotransfer.models.backbone import Backbone
from autotransfer.models.builders import BackboneBuilder
from autotransfer.models.source import HubWeights, Source, Untrained
from autotransfer.models.weights import read_state_dict

_making = threading.RLock()  # the generator that draws weights is one for all threads
_NAMED = 3


def build(offered: BackboneBuilder, source: Source, *, pretrained: bool) -> Backbone:
    """Return the network of a source in evaluation.

    Args:
        offered: Makes it.
        source: What to load.
        pretrained: False leaves out the weights, where they are overwritten anyway.

    Raises:
        InvalidSourceError: If it cannot be made, or its weights are missing or do not fit.
    """
    if pretrained and isinstance(source.weights, HubWeights):
        raise InvalidSourceError(
            f"source {source.name!r}: {source.architecture} is made by a plugin, and nobody "
            "fetches weights for it; name a file with the key weights"
        )
    state = read_state_dict(source) if pretrained else None
    seed = source.weights.seed if isinstance(source.weights, Untrained) else 0
    try:
        with _making, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = offered.build(source)
        if not isinstance(backbone, Backbone):
            raise TypeError(f"a {type(backbone).__name__} and no Backbone was made")  # noqa: TRY301
    except Exception as error:
        raise InvalidSourceError(
            f"source {source.name!r}: {source.architecture} cannot be made ({reason(error)})"
        ) from error
    if state is not None:
        named = {offered.rename(name): tensor for name, tensor in state.items()}
        try:
            found = backbone.network.load_state_dict(named, strict=False)
        except RuntimeError as error:
            told = str(error).splitlines()[-1].strip()
            raise InvalidSourceError(_misfit(source, told)) from error
        if found.missing_keys or found.unexpected_keys:
            raise InvalidSourceError(
                _misfit(
                    source,
                    f"{len(found.missing_keys)} tensors missing "
                    f"({', '.join(found.missing_keys[:_NAMED])}), {len(found.unexpected_keys)} "
                    f"unexpected ({', '.join(found.unexpected_keys[:_NAMED])})",
                )
            )
    backbone.requires_grad_(requires_grad=False)
    return backbone.eval()


def _misfit(source: Source, told: str) -> str:
    return f"source {source.name!r}: the weights do not fit {source.architecture}: {told}"
