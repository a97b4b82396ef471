"""What every strategy owes the core."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
import safetensors.torch
import torch

from autotransfer.errors import AutotransferError, DeadlineError
from autotransfer.space import SHARED_KNOBS, depth, learning_rate_multiplier, regularisation
from autotransfer.strategy import Predictor, Strategy, Task, Trial
from autotransfer.testing.tiny import shapes, tiny_task

_TOLERANCE = 1e-6
_SHARED = dict(zip(SHARED_KNOBS, (learning_rate_multiplier, regularisation, depth), strict=True))


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


class StrategyContract:
    """Inherit and override the fixture `strategy`; works for the labelled setting."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy to test."""
        raise NotImplementedError("override the fixture `strategy`")

    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        """Return a small task."""
        return tiny_task(tmp_path / "contract-cache")

    def _fit(self, strategy: Strategy, task: Task, *, seed: int = 0) -> Predictor:
        params = strategy.space(task.info).defaults()
        return strategy.fit(task, Trial(params, _ignore, None, seed))

    def test_the_space_has_valid_names_and_its_defaults_lie_inside(
        self, strategy: Strategy, task: Task
    ) -> None:
        space = strategy.space(task.info)
        assert space.contains(space.defaults())

    def test_shared_knobs_keep_their_range(self, strategy: Strategy, task: Task) -> None:
        for name, parameter in strategy.space(task.info).parameters.items():
            if name in _SHARED:
                assert parameter.distribution == _SHARED[name]().distribution, name

    def test_probabilities_have_a_row_a_picture_that_sums_to_one(
        self, strategy: Strategy, task: Task
    ) -> None:
        unseen = shapes(3, 2, seed=9)
        found = self._fit(strategy, task).predict(unseen, task.features)
        assert found.shape == (len(unseen), len(task.class_names))
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
        assert (found >= 0).all()

    def test_the_same_seed_gives_the_same_bits(self, strategy: Strategy, task: Task) -> None:
        first = self._fit(strategy, task).predict(task.train, task.features)
        torch.rand(3)  # the global generator has moved on
        second = self._fit(strategy, task).predict(task.train, task.features)
        np.testing.assert_array_equal(first, second)

    def test_the_global_generators_are_left_alone(self, strategy: Strategy, task: Task) -> None:
        before = torch.get_rng_state()
        others = random.getstate(), repr(np.random.get_state())  # noqa: NPY002 - the global one
        self._fit(strategy, task)
        assert torch.equal(before, torch.get_rng_state())
        assert others == (random.getstate(), repr(np.random.get_state()))  # noqa: NPY002

    def test_the_training_pictures_stay_as_they_are(self, strategy: Strategy, task: Task) -> None:
        def content() -> list[bytes]:
            return [task.train[i].tobytes() for i in range(len(task.train))]

        before, labels = content(), task.train.labels.copy()
        self._fit(strategy, task)
        assert content() == before
        np.testing.assert_array_equal(task.train.labels, labels)

    def test_two_classes_with_two_pictures_each_work(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = tiny_task(tmp_path / "two", num_classes=2, per_class=2)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (4, 2)

    def test_one_picture_a_class_works_or_is_refused_in_words(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = tiny_task(tmp_path / "one", num_classes=2, per_class=1)
        try:
            found = self._fit(strategy, task).predict(task.train, task.features)
        except AutotransferError as reason:
            assert str(reason)
        else:
            assert found.shape == (2, 2)
            assert np.isfinite(found).all()

    def test_what_is_saved_lies_on_the_cpu(self, strategy: Strategy, task: Task) -> None:
        tensors, _ = self._fit(strategy, task).state()
        assert {tensor.device.type for tensor in tensors.values()} <= {"cpu"}

    def test_a_saved_predictor_predicts_the_same(
        self, strategy: Strategy, task: Task, tmp_path: Path
    ) -> None:
        predictor = self._fit(strategy, task)
        tensors, info = predictor.state()
        safetensors.torch.save_file(
            {key: value.contiguous() for key, value in tensors.items()}, tmp_path / "state"
        )
        restored = strategy.restore(
            safetensors.torch.load_file(tmp_path / "state"),
            json.loads(json.dumps(info)),
            task.source,
        )
        np.testing.assert_allclose(
            restored.predict(task.train, task.features),
            predictor.predict(task.train, task.features),
            atol=_TOLERANCE,
        )

    def test_pruning_passes_through(self, strategy: Strategy, task: Task) -> None:
        def prune(_progress: float, _predictor: Predictor, /) -> None:
            raise optuna.TrialPruned("enough")

        params = strategy.space(task.info).defaults()
        try:
            strategy.fit(task, Trial(params, prune, None, 0))
        except optuna.TrialPruned as stop:
            assert str(stop) == "enough"
        else:
            assert not strategy.trains, "a strategy that trains has to report at the rungs"

    def test_a_deadline_in_the_past_is_honoured(self, strategy: Strategy, task: Task) -> None:
        params = strategy.space(task.info).defaults()
        past = Trial(params, _ignore, time.monotonic() - 1, 0)
        if strategy.trains:
            with pytest.raises(DeadlineError):
                strategy.fit(task, past)
        else:
            assert isinstance(strategy.fit(task, past), Predictor)

    def test_it_predicts_its_training_pictures_better_than_chance(
        self, strategy: Strategy, task: Task
    ) -> None:
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert (found.argmax(axis=1) == task.train.labels).mean() > 1 / len(task.class_names)
