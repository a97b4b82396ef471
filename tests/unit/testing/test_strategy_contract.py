"""One bad strategy for each check: a contract that lets it pass would check nothing."""

from __future__ import annotations

import contextlib
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
from autotransfer.heads import fit_ridge
from autotransfer.predictors import HeadPredictor, restore_head
from autotransfer.problem import Json, Source
from autotransfer.space import SearchSpace, depth, floating
from autotransfer.strategy import FeatureReader, Predictor, Strategy, Task, TaskInfo, Trial
from autotransfer.testing import StrategyContract, tiny_task


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
    """It cannot do with few pictures, and does not say so in words."""

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        counts = np.bincount(task.train.labels)
        if counts.min() < 3:
            raise IndexError("list index out of range")
        return super().fit(task, trial)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return tiny_task(tmp_path / "cache")


BREACHES = [
    (Logits(), "test_probabilities_have_a_row_a_picture_that_sums_to_one"),
    (Shuffled(), "test_it_predicts_its_training_pictures_better_than_chance"),
    (Unseeded(), "test_the_same_seed_gives_the_same_bits"),
    (Unseeded(), "test_the_global_generators_are_left_alone"),
    (PythonRandom(), "test_the_global_generators_are_left_alone"),
    (OwnRange(), "test_shared_knobs_keep_their_range"),
    (NeverReports(), "test_pruning_passes_through"),
    (SwallowsPruning(), "test_pruning_passes_through"),
]


@pytest.mark.parametrize(
    ("strategy", "check"), BREACHES, ids=lambda item: getattr(item, "name", item)
)
def test_a_breach_is_found(strategy: Strategy, check: str, task: Task) -> None:
    getattr(StrategyContract(), check)(Good(), task)
    with pytest.raises(AssertionError):
        getattr(StrategyContract(), check)(strategy, task)


def test_a_predictor_that_is_not_restored_whole_is_found(task: Task, tmp_path: Path) -> None:
    check = StrategyContract().test_a_saved_predictor_predicts_the_same
    check(Good(), task, tmp_path)
    with pytest.raises(AssertionError):
        check(Forgetful(), task, tmp_path)


def test_a_missed_deadline_is_found(task: Task) -> None:
    check = StrategyContract().test_a_deadline_in_the_past_is_honoured
    check(Good(), task)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check(NeverReports(), task)


def test_a_failure_on_few_pictures_without_words_is_found(tmp_path: Path) -> None:
    contract = StrategyContract()
    contract.test_one_picture_a_class_works_or_is_refused_in_words(Good(), tmp_path)
    with pytest.raises(IndexError):
        contract.test_one_picture_a_class_works_or_is_refused_in_words(NeedsMore(), tmp_path)
    with pytest.raises(IndexError):
        contract.test_two_classes_with_two_pictures_each_work(NeedsMore(), tmp_path)
