"""What a fit spends on itself, beside forward passes, backward passes and decoding.

    python tests/benchmarks/overhead.py CATALOGUE IMAGES [--plugin FILE] [--source NAME]...
        [--trials 30] [--first-answer]

Prints the CPU seconds of each part of a fit, the share of all that is neither a pass nor
decoding, and the milliseconds a trial of Optuna, MLflow and the records (a probe's records are
booked to the trials; making the database and logging the model are not). CPU time counts, so that
other programs on the machine do not. With --first-answer: the seconds until a guarded answer of
probes alone, with an empty cache and with a filled one, beside the forward passes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import optuna

import autotransfer
from autotransfer.data import target
from autotransfer.data.images import near_duplicates
from autotransfer.models import features, training
from autotransfer.models.predictors import neural
from autotransfer.scenarios import labelled
from autotransfer.search import cross_validation, driver
from autotransfer.search.finalists import Finalists
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.study import Study
from autotransfer.selection.selection import Selection
from autotransfer.tracking.tracker import Tracker

PASSES = "passes and decoding"
BOOKS = ("Optuna", "study", "MLflow", "predictors to disk")
ONCE = "MLflow, once: new database, model"
REST = "everything else"
# Who is on the clock: what is called within another part counts for itself.
PARTS: tuple[tuple[str, Any, str], ...] = (
    (PASSES, training, "_run"),
    (PASSES, features.Features, "_fill"),
    (PASSES, features.Features, "activations"),
    (PASSES, features.Features, "standardised"),
    (PASSES, neural.NetworkPredictor, "predict"),
    (PASSES, target, "in_threads"),
    (PASSES, near_duplicates, "in_threads"),
    ("opening the images and sources", labelled, "problem_of_items"),
    ("duplicates and folds", labelled, "divide"),
    ("ranking: scores", labelled, "rank_sources"),
    ("probes: heads", driver.Search, "probe"),
    ("scores and calibration", cross_validation._Reporter, "score"),
    ("trials: copies of networks, batches", cross_validation, "run_trial"),
    ("choice and ensemble", Finalists, "choose"),
    ("guard: heads, pixels, tests", labelled.Labelled, "_tested"),
    ("Optuna", optuna.Study, "ask"),
    ("Optuna", optuna.Trial, "_suggest"),
    ("study", Study, "record"),
    ("study", Study, "keep_probe"),
    (ONCE, Tracker, "start"),
    ("MLflow", Tracker, "write"),
    (ONCE, Tracker, "finish"),
    ("predictors to disk", RunFolder, "keep"),
)


class Ledger:
    """CPU seconds by part; only the innermost part is booked."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open = [REST]
        self._since = time.process_time()

    def turn(self) -> None:
        """Book what was spent since the last turn."""
        now = time.process_time()
        self.spent[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, part: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """Return the action, on the clock."""

        def run(*args: Any, **more: Any) -> Any:
            self.turn()
            self._open.append(part)
            try:
                return action(*args, **more)
            finally:
                self.turn()
                self._open.pop()

        return run


@contextmanager
def booked() -> Iterator[Ledger]:
    """Yield the CPU seconds of each part of what is done in the block."""
    ledger = Ledger()
    with ExitStack() as stack:
        for part, owner, name in PARTS:
            action = ledger.timed(part, getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, action))
        yield ledger
    ledger.turn()


def fit(given: argparse.Namespace, **options: Any) -> Selection:
    """Return a fit in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            return autotransfer.fit(
                given.images,
                sources=given.catalogue,
                plugins=given.plugin,
                source=given.source,
                **options,
            )
        finally:
            os.chdir(before)


def overhead(given: argparse.Namespace) -> None:
    """Print the table of one fit."""
    with booked() as ledger:
        selection = fit(given, budget=autotransfer.Budget(trials=given.trials))
    outcomes = selection.outcomes
    count = sum(not outcome.probe for outcome in outcomes)
    total = sum(ledger.spent.values())
    out = sys.stdout.write
    states = ", ".join(
        f"{sum(o.state == state and not o.probe for o in outcomes)} {state}"
        for state in autotransfer.results.State
    )
    out(f"{count} trials ({states}), {len(outcomes) - count} probes, {total:.0f} s of CPU\n\n")
    out("| part | CPU s | % |\n|---|---|---|\n")
    for part, spent in sorted(ledger.spent.items(), key=lambda item: -item[1]):
        out(f"| {part} | {spent:.1f} | {100 * spent / total:.1f} |\n")
    share = 100 * (1 - ledger.spent[PASSES] / total)
    books = 1000 * sum(ledger.spent[part] for part in BOOKS) / max(count, 1)
    out(f"\nneither a pass nor decoding: {share:.1f} % of the fit (goal 5)\n")
    out(f"Optuna, MLflow and records: {books:.0f} ms a trial (goal 150), ")
    out(f"and {ledger.spent[ONCE]:.1f} s once a fit\n")


def first_answer(given: argparse.Namespace) -> None:
    """Print the seconds until the first guarded answer, cold and warm."""
    out = sys.stdout.write
    out("| cache | wall s | CPU s | forward passes, wall s | CPU s | guard, wall s |\n")
    out("|---|---|---|---|---|---|\n")
    for cache in ("empty", "filled"):
        with booked() as ledger:
            record = fit(given, space="quick", budget=autotransfer.Budget(trials=1)).record
        parts, spent = record.seconds, ledger.spent
        out(
            f"| {cache} | {parts.total:.0f} | {sum(spent.values()):.0f} | {parts.features:.0f} | "
            f"{spent[PASSES]:.0f} | {parts.guard:.0f} |\n"
        )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("images", type=lambda text: str(Path(text).resolve()))
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
