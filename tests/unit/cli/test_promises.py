from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from autotransfer.cli import promises
from autotransfer.cli.promises import print_check
from autotransfer.plugin.testing import Finding

FAULT = "ValueError: no head (in mine.py, line 3)"


def test_a_cause_of_several_broken_promises_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(_registry: Any, name: str) -> Iterator[Finding]:
        yield Finding(name, "it predicts", kept=False, problem=FAULT, remedy="fix fit")
        yield Finding(name, "it repeats", kept=False, problem=FAULT, remedy="seed it")
        yield Finding(name, "it stops", kept=False, problem="it went on", remedy="look at due")
        yield Finding(name, "it has a name", kept=True)

    monkeypatch.setattr(promises, "check_named", found)
    registry: Any = None
    assert print_check(registry, "mine", as_json=False) == 2
    assert capsys.readouterr().out.splitlines() == [
        "mine: it predicts: BROKEN",
        f"  found: {FAULT}",
        "  to do: fix fit",
        "mine: it repeats: BROKEN, for the same cause",
        "mine: it stops: BROKEN",
        "  found: it went on",
        "  to do: look at due",
        "mine: it has a name: kept",
        "mine: 1 kept, 3 broken, by 2 cause(s)",
    ]
