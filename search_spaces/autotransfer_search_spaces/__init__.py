"""The search spaces that autotransfer ships: quick, default and thorough."""

from __future__ import annotations

from pathlib import Path

from autotransfer.plugin import hookimpl

_FOLDER = Path(__file__).parent


@hookimpl
def autotransfer_search_spaces() -> list[Path]:
    """Offer the presets, one TOML file each; the name of a preset is the name of its file."""
    return sorted(_FOLDER.glob("*.toml"))
