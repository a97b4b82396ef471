"""timm with our small network among its models, imported when a network is made or looked for.

With torchvision, which comes along, that takes as long as PyTorch itself.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from autotransfer.models.small_cnn import SMALL_NETWORK, small_cnn


@cache
def timm_models() -> ModuleType:
    """Return timm."""
    import timm
    from timm.models import register_model

    if not timm.is_model(SMALL_NETWORK):
        register_model(small_cnn)
    return timm  # type: ignore[no-any-return]


def is_timm_model(architecture: str) -> bool:
    """Return whether timm, with what plugins have registered, makes an architecture."""
    return bool(timm_models().is_model(architecture))
