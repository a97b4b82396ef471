"""How a result is registered, without importing MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Promotion:
    """Whether a registered result becomes the champion, and why."""

    moves: bool
    reason: str


@dataclass(frozen=True)
class Registration:
    """Under which name a result is registered, and when it becomes the champion.

    Args:
        name: Name of the registered model; made where it is not there.
        promote: Whether it becomes the champion whatever the champion is.
        contest: Compares it with the champion, whose selection is in the given folder; None
            where nothing can.
        without: Why nothing can compare the two.
    """

    name: str
    promote: bool = False
    contest: Callable[[Path], Promotion] | None = None
    without: str = "the images of the fit are not at hand to compare the two on"
