"""A folder with good input, in which a case spoils one thing and then runs a command on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIALS = ("--trials", "1", "--max-sources", "1")


@dataclass(frozen=True)
class Place:
    """An empty folder, the working directory, and where good input is copied from."""

    root: Path
    good: Path

    def have(self, name: str) -> Path:
        """The file or folder `name` of the good input, copied here."""
        source, here = self.good / name, self.root / name
        if not here.exists():
            (shutil.copytree if source.is_dir() else shutil.copy)(source, here)
        return here

    def write(self, name: str, content: str | bytes = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def folder(self, name: str) -> str:
        (self.root / name).mkdir()
        return name

    def pipe(self, name: str) -> str:
        os.mkfifo(self.root / name)
        return name

    def fit(self, *more: str, target: str = "bars.npz", sources: str = "") -> list[str]:
        """A good command, with more options behind it."""
        if (self.good / target).exists():
            self.have(target)
        if not sources:
            sources = str(self.have("sources") / "catalogue.toml")
        return ["fit", target, "--sources", sources, *TRIALS, *more]

    def tree(self) -> dict[str, int]:
        """When each file and folder was last changed, in nanoseconds."""
        return {
            os.path.relpath(path, self.root): os.lstat(path).st_mtime_ns
            for folder, folders, files in os.walk(self.root)
            for name in (*folders, *files)
            if "__pycache__" not in (name, Path(folder).name)
            for path in [os.path.join(folder, name)]  # noqa: PTH118
        }


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: What is wrong, as the name of a test.
        make: Spoils something in a place; returns a command, or what to call.
        words: What the message has to name.
    """

    name: str
    make: Callable[[Place], list[str] | Callable[[], Any]]
    words: tuple[str, ...] = ()
