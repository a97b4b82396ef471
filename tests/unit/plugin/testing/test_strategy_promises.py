"""One bad strategy for each check: a contract that lets it pass would check nothing."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.predictors.neural import HeadPredictor, restore_head
from autotransfer.models.source import Source
from autotransfer.plugin.space import SearchSpace, depth, floating
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo, Trial
from autotransfer.plugin.testing import Finding, StrategyContract, Workbench, check_strategy
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.results import Json


class Good(Strategy):
    """A ridge head on the last stage."""

    name = "good"
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(depth=depth())

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        features = task.features(task.train)
        head = fit_ridge(features, task.train.labels, len(task.class_names))
        return HeadPredictor(head, task.features.num_stages)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_head(tensors, info)


@dataclass(frozen=True)
class Changed(HeadPredictor):
    """A head whose probabilities go through a function."""

    change: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.asarray

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return self.change(super().predict(images, features))


def _changed(strategy: Good, task: Task, trial: Trial, change: Callable[..., object]) -> Predictor:
    fitted = Good.fit(strategy, task, trial)
    assert isinstance(fitted, HeadPredictor)
    return Changed(fitted.head, fitted.stage, change)  # type: ignore[arg-type]


class Logits(Good):
    """Its rows do not sum to one."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        return _changed(self, task, trial, np.log)


class Shuffled(Good):
    """It answers with another class."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        return _changed(self, task, trial, lambda rows: np.roll(rows, 1, axis=1))


class Unseeded(Good):
    """Its answer hangs on torch's global generator, which it moves on."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        noise = float(torch.rand(()))
        return _changed(self, task, trial, lambda rows: rows * 0.9 + 0.1 * np.eye(3)[0] * noise)


class PythonRandom(Good):
    """It seeds Python's global generator."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        random.seed(trial.seed)
        return super().fit(task, trial)


class Forgetful(Good):
    """What it restores has lost its bias and its scale."""

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_head({key: 0 * value for key, value in tensors.items()}, info)


class OwnRange(Good):
    """It gives a shared knob a range of its own."""

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(depth=floating(0.5, 1.0, default=1.0))


class NeverReports(Good):
    """It trains, but neither reports nor keeps the deadline."""

    trains = True


class SwallowsPruning(Good):
    """It goes on after it was told to stop."""

    trains = True

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        predictor = super().fit(task, trial)
        with contextlib.suppress(optuna.TrialPruned):
            trial.report(0.5, predictor)
        return predictor


class NeedsMore(Good):
    """It cannot do with few items, and does not say so in words."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        counts = np.bincount(task.train.labels)
        if counts.min() < 3:
            raise IndexError("list index out of range")
        return super().fit(task, trial)


class SeesImages(Good):
    """It looks at the size of images, and does not say that it works on them alone."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        assert task.train[0].size[0] > 0
        return super().fit(task, trial)


class Moody(Good):
    """It writes on the labels that it was lent."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        predictor = super().fit(task, trial)
        task.train.labels.setflags(write=True)
        task.train.labels[0] = 1
        return predictor


class HeadAlone(Good):
    """It forgets to make a predictor of its head."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        features = task.features(task.train)
        return fit_ridge(features, task.train.labels, len(task.class_names))  # type: ignore[return-value]


class WrongCall(Good):
    """A library refuses what it is given."""

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(depth=depth(default=json.loads("{")))


BREACHES = [
    (Logits(), "a-row-an-item-sums-to-one", "smallest probability"),
    (Shuffled(), "training-items-are-predicted-better-than-chance", "chance is 0.33"),
    (Unseeded(), "the-same-seed-gives-the-same-bits", "differ by up to"),
    (Unseeded(), "the-global-generators-are-left-alone", "torch's global generator"),
    (PythonRandom(), "the-global-generators-are-left-alone", "Python's global generator"),
    (Moody(), "the-training-items-stay-as-they-are", "changed in place"),
    (OwnRange(), "shared-knobs-keep-their-range", "depth has the range"),
    (NeverReports(), "pruning-passes-through", "fit went on to its end"),
    (NeverReports(), "a-deadline-in-the-past-is-honoured", "the deadline was over"),
    (SwallowsPruning(), "pruning-passes-through", "fit went on to its end"),
    (Forgetful(), "a-saved-predictor-predicts-the-same", "differ by up to"),
    (SeesImages(), "it-works-on-all-items-that-it-says-it-reads", "'str' object has no"),
    (NeedsMore(), "two-classes-with-two-items-each-work", "IndexError: list index"),
    (NeedsMore(), "one-item-a-class-works-or-is-refused-in-words", "IndexError: list index"),
]


@pytest.fixture(scope="module")
def findings() -> dict[str, dict[str, Finding]]:
    """What is found of each strategy, by promise."""
    strategies = {type(strategy): strategy for strategy, _, _ in BREACHES}
    return {
        type(strategy).__name__: {
            finding.promise.replace(" ", "-"): finding for finding in check_strategy(strategy)
        }
        for strategy in strategies.values()
    }


@pytest.mark.parametrize(
    ("strategy", "promise", "words"), BREACHES, ids=lambda item: getattr(item, "name", item)
)
def test_a_breach_is_found_and_told_in_words(
    strategy: Strategy, promise: str, words: str, findings: dict[str, dict[str, Finding]]
) -> None:
    finding = findings[type(strategy).__name__][promise]
    assert finding.kept is False
    assert words in finding.problem
    assert finding.remedy


def test_a_good_strategy_breaks_nothing() -> None:
    found = list(check_strategy(Good()))
    assert len(found) == 14
    assert [finding for finding in found if not finding.kept] == []


def test_one_breach_hides_no_other_promise(findings: dict[str, dict[str, Finding]]) -> None:
    assert all(len(by_promise) == 14 for by_promise in findings.values())
    assert findings["OwnRange"]["the-same-seed-gives-the-same-bits"].kept


def test_what_a_plugin_raised_is_named_with_its_line(
    findings: dict[str, dict[str, Finding]],
) -> None:
    found = findings["NeedsMore"]["two-classes-with-two-items-each-work"]
    assert f"(in {Path(__file__).name}, line " in found.problem


def test_a_fit_that_returns_no_predictor_is_one_cause_with_its_remedy() -> None:
    broken = [finding for finding in check_strategy(HeadAlone()) if finding.kept is False]
    assert len(broken) > 8
    assert {(finding.problem, finding.remedy) for finding in broken} == {
        (
            "fit() returned a LinearHead, which is no Predictor",
            "return a Predictor from fit(), such as heads.HeadPredictor(head, stage)",
        )
    }


def test_an_error_below_the_plugins_own_line_is_named_with_that_line() -> None:
    finding = next(iter(check_strategy(WrongCall())))
    assert finding.problem.startswith("JSONDecodeError: ")
    assert f"(in {Path(__file__).name}, line " in finding.problem


def test_the_contract_is_the_same_promises(tmp_path: Path) -> None:
    contract = StrategyContract()
    promise = next(p for p in STRATEGY_PROMISES if p.name == "a-row-an-item-sums-to-one")
    contract.test_it_keeps_the_promise(promise, Workbench(Good(), tmp_path / "good"))
    with pytest.raises(AssertionError, match="smallest probability"):
        contract.test_it_keeps_the_promise(promise, Workbench(Logits(), tmp_path / "bad"))
