"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was found.

    Args:
        part: What was looked at.
        state: "ok"; "note" for what works but could be better; "wrong" for what fails.
        found: What is there.
        remedy: What to do; empty where nothing is.
    """

    part: str
    state: Literal["ok", "note", "wrong"]
    found: str
    remedy: str = ""
