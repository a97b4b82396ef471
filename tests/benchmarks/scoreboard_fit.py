"""One fit of the scoreboard, in a process of its own: `python scoreboard_fit.py ORDER ANSWER`.

ORDER is a JSON file that `scoreboard.py` writes, ANSWER the JSON file that it reads. It imports
nothing but the package, so that it measures any checkout that comes first in PYTHONPATH. The fit
has a cache of its own, which is empty; the tested images are predicted afterwards, with the
features that are kept.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import autotransfer
from autotransfer.errors import AutotransferError


def main() -> None:
    """Fit, predict, and write what was found."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wall, cpu = time.perf_counter(), _cpu_seconds()
    try:
        selection = autotransfer.fit(
            order["target"],
            sources=order["sources"],
            plugins=order["plugins"],
            source=order["source"],
            budget=f"{order['seconds']:g}s",
            seed=order["seed"],
            workspace=order["folder"],
            out=str(Path(order["folder"]) / "selection"),
            device="cpu",
        )
    except AutotransferError as error:
        found: dict[str, Any] = {"error": f"{type(error).__name__}: {error}", "predicted": []}
    else:
        found = _told(selection)
    found["seconds"] = round(time.perf_counter() - wall, 1)
    found["cpu_seconds"] = round(_cpu_seconds() - cpu, 1)
    if "error" not in found:
        os.environ["AUTOTRANSFER_CACHE"] = order["cache"]
        found["predicted"] = [str(name) for name in selection.predict(order["tested"])]
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


def _told(selection: autotransfer.Selection) -> dict[str, Any]:
    """Return what was returned, as plain values."""
    kept, verdict, finalist = selection.kept, selection.verdict, selection.best
    told = {
        "returned": verdict.returned,
        "strategy": kept.strategy,
        "source": None if kept.source is None else kept.source.name,
        "verdict": str(verdict.decision),
        "finalist": [finalist.title, finalist.source, finalist.strategy, dict(finalist.params)],
        "validation": finalist.value,
        "guard_test": None if verdict.test is None else verdict.test.value,
        "outcomes": len(selection.outcomes),
        "shortlist": list(selection.ranking.shortlist),
        "parts": {
            part: round(getattr(selection.record.seconds, part), 1)
            for part in ("rank", "search", "guard", "features")
        },
    }
    members = getattr(selection.record, "members", None)
    return told if members is None else {**told, "members": [str(member) for member in members]}


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    main()
