from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy
from autotransfer.results import Outcome, State
from autotransfer.search.cross_validation import LabelledContext, run_trial
from autotransfer.search.executor import Executor, InlineExecutor
from autotransfer.search.executors import open_executor, worker
from autotransfer.search.executors.processes import ProcessExecutor
from autotransfer.search.executors.worker_context import WorkerContext
from autotransfer.search.trial import TrialSpec

pytestmark = pytest.mark.timeout(280)


@pytest.fixture
def strategy(plugin: Path) -> Strategy:
    return discover(files=[plugin]).strategy("moody")


@pytest.fixture
def slots(context: LabelledContext, plugin: Path) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(WorkerContext.of(context, [plugin], 1 << 26), workers=1)
    yield executor
    executor.close()


def _spec(
    number: int,
    context: LabelledContext,
    strategy: Strategy,
    mood: str,
    deadline: float | None = None,
) -> TrialSpec:
    return TrialSpec(number, context.shortlist[0], strategy, {"mood": mood}, 0, deadline)


def _run(executor: Executor, spec: TrialSpec) -> Outcome:
    executor.submit(spec)
    (result,) = executor.wait()
    return result.outcome


def test_a_worker_gives_the_bits_that_the_driver_gives(
    context: LabelledContext, slots: ProcessExecutor, strategy: Strategy
) -> None:
    spec = _spec(0, context, strategy, "good")
    inline = InlineExecutor(context)
    for executor in (inline, slots):
        executor.submit(spec)
    (mine,), (theirs,) = inline.wait(), slots.wait()
    assert theirs.outcome.value == mine.outcome.value
    assert mine.validation is not None
    assert theirs.validation is not None
    np.testing.assert_array_equal(mine.validation, theirs.validation)
    assert theirs.predictor is not None
    reader = context.readers[spec.source]
    np.testing.assert_allclose(
        theirs.predictor.predict(context.images.subset([1, 3, 5]), reader),
        theirs.validation[:3],
        atol=1e-6,
    )


def test_a_worker_works_in_the_same_context_whatever_its_fields(
    context: LabelledContext, plugin: Path, strategy: Strategy
) -> None:
    weights = np.arange(1.0, 1.0 + len(context.images.class_names)) * 3
    weighted = replace(context, class_weights=weights, unlabelled=context.images.without_labels())
    workshop = WorkerContext.of(weighted, [plugin], 1 << 26)
    spec = _spec(0, weighted, strategy, "good")
    executor = ProcessExecutor(workshop, workers=1)
    try:
        executor.submit(spec)
        (theirs,) = executor.wait()
    finally:
        executor.close()
    mine, plain = run_trial(spec, weighted), run_trial(spec, context)
    assert mine.validation is not None
    assert theirs.validation is not None
    assert plain.validation is not None
    np.testing.assert_array_equal(mine.validation, theirs.validation)
    assert not np.array_equal(mine.validation, plain.validation)
    assert set(workshop.fields) == set(vars(context)) - {"readers"}


@pytest.mark.slow  # six times the start of a process
def test_killed_hanging_and_exiting_workers_each_cost_their_own_trial(
    context: LabelledContext,
    slots: ProcessExecutor,
    strategy: Strategy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOODY_MARK", str(tmp_path / "mark"))
    once = _run(slots, _spec(0, context, strategy, "dies once"))
    assert once.state is State.COMPLETE
    always = _run(slots, _spec(1, context, strategy, "dies"))
    assert always.state is State.FAILED
    assert "the worker process ended 2 times (exit status -9)" in always.reason
    exits = _run(slots, _spec(2, context, strategy, "exits"))
    assert exits.state is State.FAILED
    assert exits.reason.startswith("SystemExit")
    began = time.monotonic()
    late = _run(slots, _spec(3, context, strategy, "hangs", began + 1.0))
    assert late.state is State.FAILED
    assert "did not stop at its deadline" in late.reason
    assert time.monotonic() - began < 30
    good = _run(slots, _spec(4, context, strategy, "good"))
    assert good.state is State.COMPLETE


def test_closing_ends_every_worker_and_deletes_what_was_copied(
    context: LabelledContext, plugin: Path, strategy: Strategy
) -> None:
    workshop = WorkerContext.of(context, [plugin], 1 << 26)
    executor = ProcessExecutor(workshop, workers=1)
    executor.submit(_spec(0, context, strategy, "hangs"))
    (slot,) = executor._slots
    executor.close()
    with pytest.raises(ProcessLookupError):
        os.kill(slot.process.pid, 0)
    assert not workshop.spool.exists()


def test_a_worker_ends_soon_after_its_driver_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.02)
    reading, writing = os.pipe()
    driver = os.fork()
    if not driver:
        if not os.fork():
            os.write(writing, b".")
            worker._follow(os.getppid())
        signal.pause()
    os.close(writing)
    assert os.read(reading, 1) == b"."
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    assert os.read(reading, 1) == b""  # nobody else is left who could write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "dask"}, "no executor named 'dask'; available: inline, processes, ray"),
        ({"name": "inline", "workers": 2}, "runs one trial at a time"),
        ({"ray_address": "auto"}, "--ray-address is for --executor ray"),
        ({"name": "ray", "ray_address": "http://x y"}, "must be HOST:PORT, .* got 'http://x y'"),
        ({"name": "ray", "ray_address": "host"}, "must be HOST:PORT"),
        ({"name": "ray", "ray_address": "127.0.0.1:70000"}, "must be HOST:PORT"),
        ({"name": "ray", "ray_address": "127.0.0.1:1"}, "no Ray cluster answers .*refused"),
        ({"name": "ray", "ray_address": "ray://[::1]:1"}, "no Ray cluster answers"),
    ],
)
def test_an_executor_that_is_not_there_is_refused_in_words(
    context: LabelledContext, options: dict[str, object], message: str
) -> None:
    given = {"name": None, "workers": None, "ray_address": None, **options}
    with pytest.raises(InvalidOptionError, match=message):
        open_executor(context, plugins=(), memory_bytes=1 << 26, **given)  # type: ignore[arg-type]
