"""A fault at each opening for writing, folder, rename and commit in turn."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy


class Killed(BaseException):
    """The process is gone; nothing after it runs."""


class _Events:
    """Counts what is written; from a number on, each one fails."""

    def __init__(self, at: int | None, fault: Callable[[str], BaseException]) -> None:
        self.seen: list[str] = []
        self._at, self._fault = at, fault

    def note(self, what: str) -> None:
        self.seen.append(what)
        if self._at is not None and len(self.seen) > self._at:
            raise self._fault(what)

    def counted(self, kind: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def acted(first: Any, *rest: Any, **more: Any) -> Any:
            mode = str(more.get("mode", rest[0] if rest else "r"))
            if kind != "open" or any(letter in mode for letter in "wax+"):
                self.note(f"{kind} {first}")
            return action(first, *rest, **more)

        return acted


@contextmanager
def faults(at: int | None, fault: Callable[[str], BaseException]) -> Iterator[list[str]]:
    """Fail at the numbered event and at all that follow; yield the events.

    Args:
        at: Number of the first event that fails; None lets all pass.
        fault: Returns what is raised at an event; its first word is open, mkdir, replace, rename
            or commit.
    """
    events = _Events(at, fault)

    def commit(_connection: Any) -> None:
        events.note("commit")

    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", commit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", events.counted("open", builtins.open))
        patch.setattr(os, "mkdir", events.counted("mkdir", os.mkdir))
        for name, kind in (("open", "open"), ("rename", "rename"), ("replace", "replace")):
            action = events.counted(kind, getattr(Path, name))
            patch.setattr(Path, name, _method(action))
        try:
            yield events.seen
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "commit", commit)


def _method(action: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that binds as a method."""

    def method(self: Path, *rest: Any, **more: Any) -> Any:
        return action(self, *rest, **more)

    return method
