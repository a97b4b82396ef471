from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.splitting import Fold
from autotransfer.models.heads import fit_ridge
from autotransfer.models.metrics import metric_named
from autotransfer.models.micro_batches import REMARK, collected_remarks
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import HeadPredictor, restore_head
from autotransfer.models.schedule import Schedule
from autotransfer.models.training import train
from autotransfer.plugin.space import SearchSpace
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo, Trial
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.results import State
from autotransfer.search.cross_validation import LabelledContext, run_trial
from autotransfer.search.skip_rules import out_of_memory
from autotransfer.search.trial import TrialSpec

LABELS = np.arange(22) % 2  # batches of 8, 8 and 6
INPUTS = torch.from_numpy(
    (np.random.default_rng(0).normal(size=(22, 4)) + LABELS[:, None]).astype(np.float32)
)
SCHEDULE = Schedule(epochs=3, batch_size=8)


class Card(nn.Module):
    """A network on a graphics card that holds so many images."""

    def __init__(self, room: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.room, self.shown = room, list[int]()

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(len(x))
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        found: Tensor = self.layers(x)
        return found


def _batch(positions: NDArray[np.int64], _rng: np.random.Generator) -> Tensor:
    return INPUTS[torch.from_numpy(positions)]


def _train(network: nn.Module) -> int:
    return train(network, _batch, LABELS, SCHEDULE, seed=1)


def test_a_batch_that_does_not_fit_is_shown_in_halves_from_then_on() -> None:
    card = Card(room=4)
    with collected_remarks() as remarks:
        assert _train(card) == 9
    assert card.shown[:5] == [8, 4, 4, 4, 4]  # tried whole once
    assert card.shown[5:7] == [3, 3]  # the last batch of the epoch
    assert max(card.shown[1:]) == 4
    assert remarks == [REMARK]


def test_halves_of_a_batch_teach_what_the_whole_teaches() -> None:
    halved, whole = Card(room=4), Card(room=8)
    _train(halved)
    _train(whole)
    for one, other in zip(halved.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_halves_that_do_not_fit_either_are_an_error_at_once() -> None:
    card = Card(room=3)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        _train(card)
    assert card.shown == [8, 4]


def test_a_tiny_batch_is_not_halved() -> None:
    card = Card(room=1)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        train(card, _batch, LABELS, Schedule(epochs=1, batch_size=2), seed=1)
    assert card.shown == [2]


class Hungry(Strategy):
    """Trains on a card, then answers with a probe."""

    name = "hungry"

    def __init__(self, room: int) -> None:
        self._room = room

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        _train(Card(self._room))
        head = fit_ridge(task.features(task.train), task.train.labels, len(task.class_names))
        return HeadPredictor(head, task.features.num_stages)

    @override
    def restore(self, tensors: Any, info: Any, source: Any) -> Predictor:
        return restore_head(tensors, info)


@pytest.mark.parametrize(("room", "state"), [(8, State.COMPLETE), (4, State.COMPLETE), (3, None)])
def test_the_outcome_names_it(tmp_path: Path, room: int, state: State | None) -> None:
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    readers = tiny_readers(tmp_path / "cache")
    context = LabelledContext(shapes(2, 6), (fold, fold), None, readers, metric_named("accuracy"))
    outcome = run_trial(TrialSpec(0, tiny_source(), Hungry(room), {}, 0, None), context).outcome
    if state is None:
        assert out_of_memory(outcome)
        assert outcome.reason.startswith("OutOfMemoryError")
    else:
        assert outcome.state is state
        assert outcome.remarks == ((REMARK,) if room == 4 else ())
