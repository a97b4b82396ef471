"""Strategies that misbehave: the fit ends with a right answer, and the outcome names them."""

from __future__ import annotations

from pathlib import Path

import pytest

import autotransfer
from autotransfer.results import State
from autotransfer.search import watchdog

pytestmark = pytest.mark.usefixtures("brief_report")

PLUGIN = """
import os, sys, time
import numpy as np  # noqa: E402
from autotransfer.plugin import SearchSpace, Strategy, heads, hookimpl, parameters

class Wrong(heads.HeadPredictor):
    factor = 2.0
    def predict(self, images, features):
        return self.factor * heads.HeadPredictor.predict(self, images, features)

class NotANumber(Wrong):
    factor = float("nan")

class Faulty(Strategy):
    def __init__(self, mood):
        self.name = self.mood = mood
    def space(self, task):
        return SearchSpace.of(point=parameters.choice((1, 2), default=1))
    def fit(self, task, trial):
        mood = self.mood
        if mood == "raises":
            raise RuntimeError("the strategy says no")
        if mood == "greedy":
            np.ones(1 << 55)
        if mood == "exits":
            sys.exit(7)
        if mood == "hangs":
            time.sleep(3600)
        x = task.features(task.train)
        head = heads.fit_ridge(x, task.train.labels, len(task.class_names))
        return {"nan": NotANumber, "rows": Wrong}[mood](head, task.features.num_stages)
    def restore(self, tensors, info, source):
        return heads.restore_head(tensors, info)

@hookimpl
def autotransfer_strategies():
    moods = ("raises", "nan", "rows", "greedy", "exits", "hangs")
    return [Faulty(mood) for mood in moods]
"""


REASONS = {
    "raises": "RuntimeError: the strategy says no",
    "nan": "ValueError: the predictor returned NaN or infinity",
    "rows": "ValueError: the predictor returned rows that do not sum to one",
    "greedy": "MemoryError",
    "exits": "SystemExit: 7",
}
HANGS = {"hangs": "OverrunError: did not stop at its deadline and was interrupted"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("warm_cache")
@pytest.mark.parametrize(
    ("reasons", "seconds"),
    [(REASONS, 200.0), pytest.param(HANGS, 25.0, marks=pytest.mark.nightly)],
)
def test_the_fit_ends_with_an_answer_and_the_outcomes_say_who_failed(
    reasons: dict[str, str],
    seconds: float,
    target: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "GRACE_SECONDS", 0.5)
    plugin = tmp_path / f"faulty_{len(reasons)}.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    selection = autotransfer.fit(
        target,
        sources=str(catalogue),
        source=["tiny-0"],
        plugins=[plugin],
        strategies=["feature-extraction", *reasons],
        budget=autotransfer.Budget(trials=12, seconds=seconds),
    )
    failed = [o for o in selection.outcomes if o.state is State.FAILED]
    assert {outcome.strategy for outcome in failed} == set(reasons)
    for outcome in failed:
        assert outcome.reason.startswith(reasons[outcome.strategy])
    assert selection.best.strategy in ("feature-extraction", "ensemble")
    assert selection.best.value is not None
