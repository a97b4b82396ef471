"""What a fit spends on itself: Optuna, MLflow and records, beside the trials.

    python tests/benchmarks/overhead.py CATALOGUE PICTURES [--plugin FILE] [--source NAME]...
        [--trials 30] [--first-answer]

Prints the share of the search that is not inside a trial, and the CPU time a trial of each part
of the bookkeeping. With --first-answer: the seconds until a guarded answer of probes alone, with
an empty cache and with a filled one, beside the forward passes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import optuna

import autotransfer
from autotransfer.search.study import Study
from autotransfer.selection import Selection
from autotransfer.tracking import Tracker
from autotransfer.workspace import Place

PARTS: tuple[tuple[str, type, str], ...] = (
    ("Optuna: ask", optuna.Study, "ask"),
    ("Optuna: suggest", optuna.Trial, "_suggest"),
    ("study: record", Study, "record"),
    ("MLflow: write", Tracker, "write"),
    ("folder: keep the predictor", Place, "keep"),
)


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Yield the CPU seconds spent in each part so far."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return action(*args, **more)
            finally:
                spent[name] += time.process_time() - began

        return run

    with mock.patch.multiple(optuna.Study, ask=timed(PARTS[0][0], optuna.Study.ask)):
        patches = [
            mock.patch.object(owner, name, timed(part, getattr(owner, name)))
            for part, owner, name in PARTS[1:]
        ]
        for patch in patches:
            patch.start()
        try:
            yield spent
        finally:
            for patch in patches:
                patch.stop()


def fit(given: argparse.Namespace, **options: Any) -> Selection:
    """Return a fit in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            return autotransfer.fit(
                given.pictures,
                sources=given.catalogue,
                plugins=given.plugin,
                only_sources=given.source,
                **options,
            )
        finally:
            os.chdir(before)


def overhead(given: argparse.Namespace) -> None:
    """Print the table of one fit."""
    with measured() as spent:
        selection = fit(given, budget=autotransfer.Budget(trials=given.trials))
    outcomes = selection.outcomes
    inside = sum(outcome.seconds for outcome in outcomes)
    trials = sum(not outcome.probe for outcome in outcomes)
    seconds = selection.record.seconds
    out = sys.stdout.write
    share = 100 * (seconds.search - inside) / seconds.search
    out(f"{trials} trials, {len(outcomes) - trials} probes, {seconds.search:.0f} s of search\n\n")
    out(f"outside trials: {share:.1f} % of the search\n\n")
    out("| part | CPU ms a trial |\n|---|---|\n")
    for part, _, _ in PARTS:
        out(f"| {part} | {1000 * spent[part] / max(trials, 1):.0f} |\n")
    out(f"| together | {1000 * sum(spent.values()) / max(trials, 1):.0f} |\n")


def first_answer(given: argparse.Namespace) -> None:
    """Print the seconds until the first guarded answer, cold and warm."""
    sys.stdout.write("| cache | total s | ranking s | forward passes s | guard s |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for cache in ("empty", "filled"):
        record = fit(given, space="quick", budget=autotransfer.Budget(trials=1)).record
        parts = record.seconds
        sys.stdout.write(
            f"| {cache} | {parts.total:.0f} | {parts.rank:.0f} | {parts.features:.0f} | "
            f"{parts.guard:.0f} |\n"
        )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("pictures", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--first-answer", action="store_true")
    given = parser.parse_args()
    given.plugin = [str(Path(plugin).resolve()) for plugin in given.plugin]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUTOTRANSFER_CACHE"] = cache
        (first_answer if given.first_answer else overhead)(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
