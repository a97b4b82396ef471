"""Strategies that misbehave: the fit ends with a right answer, and the outcome names them."""

from __future__ import annotations

from pathlib import Path

import pytest

import autotransfer
from autotransfer.results import State
from autotransfer.search import watch

PLUGIN = """
import os, sys, time
import numpy as np
from autotransfer import hookimpl
from autotransfer.heads import fit_ridge
from autotransfer.predictors import HeadPredictor, restore_head
from autotransfer.space import SearchSpace, choice
from autotransfer.strategy import Strategy

class Wrong(HeadPredictor):
    factor = 2.0
    def predict(self, images, features):
        return self.factor * HeadPredictor.predict(self, images, features)

class NotANumber(Wrong):
    factor = float("nan")

class Faulty(Strategy):
    name = "faulty"
    def space(self, task):
        moods = ("raises", "nan", "rows", "greedy", "exits", "hangs")
        return SearchSpace.of(mood=choice(moods, default="raises"))
    def fit(self, task, trial):
        mood = trial.params["mood"]
        if mood == "raises":
            raise RuntimeError("the strategy says no")
        if mood == "greedy":
            np.ones(1 << 55)
        if mood == "exits":
            sys.exit(7)
        if mood == "hangs":
            time.sleep(3600)
        x = task.features(task.train)
        head = fit_ridge(x, task.train.labels, len(task.class_names))
        return {"nan": NotANumber, "rows": Wrong}[mood](head, task.features.num_stages)
    def restore(self, tensors, info, source):
        return restore_head(tensors, info)

@hookimpl
def autotransfer_strategies():
    return [Faulty()]
"""

SPACE = """
strategies = ["feature-extraction", "faulty"]
[faulty]
mood = "{mood}"
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("raises", "RuntimeError: the strategy says no"),
        ("nan", "ValueError: the predictor returned NaN or infinity"),
        ("rows", "ValueError: the predictor returned rows that do not sum to one"),
        ("greedy", "MemoryError"),
        ("exits", "SystemExit: 7"),
        ("hangs", "OverrunError: did not stop at its deadline and was interrupted"),
    ],
)
def test_the_fit_ends_with_an_answer_and_the_outcome_says_who_failed(
    mood: str,
    reason: str,
    target: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.5)
    plugin = tmp_path / f"faulty_{mood}.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    space = tmp_path / "space.toml"
    space.write_text(SPACE.format(mood=mood), encoding="utf-8")
    seconds = 25.0 if mood == "hangs" else 120.0
    selection = autotransfer.fit(
        target,
        sources=str(catalogue),
        plugins=[plugin],
        space=str(space),
        budget=autotransfer.Budget(trials=2, seconds=seconds),
    )
    failed = [o for o in selection.outcomes if o.state is State.FAILED]
    assert failed
    assert {outcome.strategy for outcome in failed} == {"faulty"}
    assert failed[0].reason.startswith(reason)
    assert selection.best.strategy in ("mixture-of-probes", "feature-extraction", "ensemble")
    assert selection.best.value is not None
