"""Try every promise of a plugin and say in words what is broken; no test runner is needed."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.strategy import Strategy
from autotransfer.plugin.testing.estimator_promises import ESTIMATOR_PROMISES
from autotransfer.plugin.testing.promises import BrokenPromiseError, DoesNotApply, Promise, Subject
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.plugin.testing.workbench import Workbench


@dataclass(frozen=True)
class Finding:
    """How one promise was found.

    Args:
        part: Name of the strategy or estimator.
        kept: Whether it is kept; None where it does not apply.
        problem: What was found where it is broken, or why it does not apply.
        remedy: What to do where it is broken.
    """

    part: str
    promise: str
    kept: bool | None
    problem: str = ""
    remedy: str = ""


def check_strategy(strategy: Strategy) -> Iterator[Finding]:
    """Yield how each promise of a strategy is kept, on generated items."""
    with tempfile.TemporaryDirectory(prefix="autotransfer-check-") as folder:
        for promise in STRATEGY_PROMISES:
            bench = Workbench(strategy, Path(folder) / promise.name)
            yield _try(strategy.name, promise, bench, _file_of(strategy))


def check_estimator(estimator: TransferabilityEstimator) -> Iterator[Finding]:
    """Yield how each promise of an estimator is kept, on generated features."""
    for promise in ESTIMATOR_PROMISES:
        yield _try(estimator.name, promise, estimator, _file_of(estimator))


def _file_of(part: object) -> str:
    """Return the file that defines a part; empty where there is none."""
    return getattr(sys.modules.get(type(part).__module__), "__file__", None) or ""


def _try(part: str, promise: Promise[Subject], subject: Subject, file: str) -> Finding:
    words = promise.name.replace("-", " ")
    try:
        promise.keep(subject)
    except DoesNotApply as reason:
        return Finding(part, words, None, str(reason))
    except BrokenPromiseError as found:
        remedy = found.remedy or promise.remedy
        return Finding(part, words, kept=False, problem=str(found), remedy=remedy)
    except Exception as error:  # noqa: BLE001 - a third party's code
        return Finding(part, words, kept=False, problem=_where(error, file), remedy=promise.remedy)
    return Finding(part, words, kept=True)


def _where(error: Exception, file: str) -> str:
    """Return what was raised, and the last line of the author's file on the way, if any."""
    text = " ".join(str(error).split())
    raised = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if f.filename == file), frames[-1])
    return f"{raised} (in {Path(place.filename).name}, line {place.lineno})"
