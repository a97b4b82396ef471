"""The plugin interface: six hooks that return things and change nothing.

A plugin is a module, named by an entry point in the group `autotransfer` or given as a file,
with functions marked by `autotransfer.plugin.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from autotransfer.data.item_kinds import ItemKind
    from autotransfer.models.builders import BackboneBuilder
    from autotransfer.models.source import Source
    from autotransfer.plugin.estimator import TransferabilityEstimator
    from autotransfer.plugin.strategy import Strategy

NAMESPACE = "autotransfer"
hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def autotransfer_strategies() -> Iterable[Strategy]:  # type: ignore[empty-body]
    """Return the strategies that the plugin offers, one instance each."""


@hookspec
def autotransfer_estimators() -> Iterable[TransferabilityEstimator]:  # type: ignore[empty-body]
    """Return the transferability estimators that the plugin offers."""


@hookspec
def autotransfer_sources() -> Iterable[Source]:  # type: ignore[empty-body]
    """Return sources; those that the user names take part, or all with `--sources plugins`."""


@hookspec
def autotransfer_backbones() -> Iterable[BackboneBuilder]:  # type: ignore[empty-body]
    """Return what makes networks of architectures that timm does not know, named KIND/NAME."""


@hookspec
def autotransfer_modalities() -> Iterable[ItemKind]:  # type: ignore[empty-body]
    """Return kinds of items beside images, texts and sounds."""


@hookspec
def autotransfer_search_spaces() -> Iterable[Path]:  # type: ignore[empty-body]
    """Return TOML files of search spaces; a preset is called like its file."""
