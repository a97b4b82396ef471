"""Registered models that a user names as sources; MLflow is imported where there are any."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from autotransfer.tracking.places import store_uri

_PREFIX = "models:/"


def named_sources(requested: Any, tracking_uri: str | None, workspace: Path) -> Any:
    """Return what the user named as sources, registered models replaced by their networks.

    Args:
        requested: What `resolve_sources` takes, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`.
        tracking_uri: As for a fit.
        workspace: As for a fit.

    Raises:
        InvalidSourceError: If there is no such model, or it is none of ours.
    """
    items = [requested] if isinstance(requested, str) else requested
    if not isinstance(items, Collection) or not any(map(_is_registered, items)):
        return requested
    from autotransfer.tracking.registered import fetched

    uri = store_uri(tracking_uri, workspace)
    return [fetched(item, uri) if _is_registered(item) else item for item in items]


def _is_registered(source: Any) -> bool:
    """Return whether a source is named as a registered model."""
    return isinstance(source, str) and source.startswith(_PREFIX)
