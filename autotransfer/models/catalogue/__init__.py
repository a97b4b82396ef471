"""Where sources come from: timm names, default sets and TOML catalogues."""

from autotransfer.models.catalogue.plugin_sources import told_left_out
from autotransfer.models.catalogue.resolving import Sources, resolve_sources

__all__ = ["Sources", "resolve_sources", "told_left_out"]
