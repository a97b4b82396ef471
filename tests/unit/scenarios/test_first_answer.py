"""The first answer: said as soon as one source is read, and no probe is run twice for it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.data.splitting import make_folds
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.first_answer import first_answer
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.driver import in_context
from autotransfer.search.probes import ProbePoint
from autotransfer.search.trial import TrialSpec
from tests.unit.told import Teller, told

IMAGES = shapes(2, 12)
SOURCE = tiny_source()


class _Run(SimpleNamespace):
    """A run without a study that has anything, and what it has said."""

    def __init__(self, seconds: float | None = None, outcomes: Any = ()) -> None:
        self.said = list[str]()
        options = SimpleNamespace(seed=3, say=self.said.append)
        clock, study = Clock(time.monotonic(), seconds), SimpleNamespace(outcomes=outcomes)
        super().__init__(options=options, clock=clock, study=study)


@pytest.fixture
def context(tmp_path: Path) -> LabelledContext:
    readers = tiny_readers(tmp_path / "features")
    folds = make_folds(IMAGES, seed=0)
    return LabelledContext(IMAGES, folds, None, readers, metric_named("accuracy"))


@pytest.fixture
def probe() -> tuple[Teller, ProbePoint]:
    def right(_task: Task, _trial: object) -> Any:
        return told(IMAGES, np.eye(2)[IMAGES.labels])

    teller = Teller(right)
    return teller, ProbePoint(SOURCE, teller, {})


def test_it_is_said_before_anything_else_and_the_search_takes_it_as_it_is(
    context: LabelledContext, probe: tuple[Teller, ProbePoint]
) -> None:
    (teller, point), run = probe, _Run()
    run_probe = first_answer(point, context, run)  # type: ignore[arg-type]
    assert run.said == [
        "first answer, not tested yet: accuracy 1.000 by a probe of tiny; what follows has to "
        "beat it"
    ]
    assert context.readers[SOURCE].missing(IMAGES) == 0
    asked = TrialSpec(-1, SOURCE, teller, {}, context.seed_of(3, -1), None)
    fits = len(teller.tasks)
    outcome = run_probe(asked, context).outcome
    assert (outcome.number, outcome.value, len(teller.tasks)) == (-1, 1.0, fits)


@pytest.mark.parametrize("change", ["spec", "items"])
def test_another_probe_or_other_items_are_run_anew(
    context: LabelledContext, probe: tuple[Teller, ProbePoint], change: str
) -> None:
    teller, point = probe
    run_probe = first_answer(point, context, _Run())  # type: ignore[arg-type]
    asked = TrialSpec(-1, SOURCE, teller, {}, context.seed_of(3, -1), None)
    fits = len(teller.tasks)
    if change == "spec":
        asked = replace(asked, number=-2)
    else:
        fewer = IMAGES.subset(np.arange(12))
        folds = make_folds(fewer, seed=0)
        context = replace(context, images=fewer, folds=folds)
    run_probe(asked, context)
    assert len(teller.tasks) == fits + 3


@pytest.mark.parametrize(
    "run",
    [_Run(seconds=1.0), _Run(outcomes=[object()])],
    ids=["no time to read the source", "a study that is resumed"],
)
def test_it_waits_for_its_turn_where_it_is_not_soon_there_or_known_already(
    context: LabelledContext, probe: tuple[Teller, ProbePoint], run: Any
) -> None:
    teller, point = probe
    assert first_answer(point, context, run) is in_context
    assert (run.said, teller.tasks) == ([], [])
    assert context.readers[SOURCE].missing(IMAGES) == len(IMAGES)


def test_a_probe_that_fails_is_left_to_the_search(context: LabelledContext) -> None:
    def fail(_task: Task, _trial: object) -> Any:
        raise ValueError("too few items")

    run = _Run()
    point = ProbePoint(SOURCE, Teller(fail), {})
    assert first_answer(point, context, run) is in_context  # type: ignore[arg-type]
    assert run.said == []
