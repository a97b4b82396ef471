"""Plugins, and the hub that weights come from."""

from __future__ import annotations

import urllib.request
import warnings
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants

from autotransfer.cli.checks.finding import Finding
from autotransfer.errors import PluginError
from autotransfer.plugin.registry import discover

TIMEOUT = 10.0  # seconds


def look_at_plugins(files: Sequence[Path]) -> list[Finding]:
    """Return whether every plugin loads; a broken one is named with its reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said here in full
            registry = discover(files=files)
    except PluginError as error:
        return [Finding("plugins", "wrong", str(error), "fix the file, or leave it out")]
    broken = [
        Finding(
            f"plugin {plugin.name}",
            "wrong",
            f"{plugin.distribution} {plugin.version}: {plugin.reason}".strip(),
            f"update or remove it: pip uninstall {plugin.distribution}",
        )
        for plugin in registry.broken
    ]
    return [Finding("plugins", "ok", f"{len(registry.plugins)} load"), *broken]


def look_at_hub() -> Finding:
    """Return whether the hub of pretrained weights answers."""
    endpoint = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        remedy = "unset it to fetch weights that are not here"
        return Finding("hub", "note", "HF_HUB_OFFLINE is set", remedy)
    try:
        with urllib.request.urlopen(endpoint, timeout=TIMEOUT) as answer:  # noqa: S310 - https, of the library
            return Finding("hub", "ok", f"{endpoint} answers ({answer.status})")
    except OSError as error:
        remedy = (
            "use a catalogue of local files (--sources catalogue.toml), or set HF_ENDPOINT or the "
            "proxy (HTTPS_PROXY) of your network"
        )
        problem = f"{endpoint} does not answer ({getattr(error, 'reason', error)})"
        return Finding("hub", "wrong", problem, remedy)
