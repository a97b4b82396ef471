"""What `autotransfer doctor` looks at: the environment, and how to fix what is wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autotransfer.cli.checks.finding import Finding
from autotransfer.cli.checks.places import look_at_cache, look_at_workspace
from autotransfer.cli.checks.programs import (
    look_at_cuda,
    look_at_extras,
    look_at_python,
    look_at_threads,
    look_at_torchvision,
)
from autotransfer.cli.checks.reach import look_at_hub, look_at_plugins

__all__ = ["Finding", "examine"]


def examine(
    workspace: Path, *, plugins: Sequence[Path] = (), online: bool = False
) -> list[Finding]:
    """Return what was found; nothing is changed.

    Args:
        workspace: Folder of the fits.
        plugins: Plugin files.
        online: Whether the hub of weights is asked; otherwise no network is touched.
    """
    found = [
        look_at_python(),
        look_at_torchvision(),
        look_at_cuda(),
        look_at_threads(),
        *look_at_cache(),
        *look_at_workspace(workspace),
        *look_at_plugins(plugins),
        *look_at_extras(),
    ]
    return [*found, look_at_hub()] if online else found
