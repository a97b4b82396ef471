"""One trial: which losses it is held against, and what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import State
from autotransfer.search.cross_validation import LabelledContext, run_trial
from autotransfer.search.pruning import calibrated_losses
from autotransfer.search.trial import TrialResult, TrialSpec
from tests.unit.told import Obvious, Teller, told

IMAGES = shapes(2, 12)
N = len(IMAGES)
PARTS = [np.flatnonzero(np.arange(N) % 3 == fold) for fold in range(3)]
FOLDS = tuple(Fold(train=np.setdiff1d(np.arange(N), part), validation=part) for part in PARTS)
RUNGS = (1 / 9, 1 / 3)


def _giving(wrong: int) -> NDArray[np.float64]:
    """Return rows that are wrong about the first so many items of each fold."""
    miss = np.zeros(N, dtype=bool)
    for part in PARTS:
        miss[part[:wrong]] = True
    ones = np.where((IMAGES.labels == 1) ^ miss, 0.9, 0.1)
    return np.stack([1 - ones, ones], axis=1)


def _losses(fold: int, wrong: int) -> NDArray[np.float32]:
    part = PARTS[fold]
    return calibrated_losses(IMAGES.labels[part], _giving(wrong)[part])


def _run(tmp_path: Path, rivals: Sequence[NDArray[np.float32] | None]) -> TrialResult:
    """Run a trial that is wrong about 3, 2 and 1 items of a fold at its three rungs."""

    def answer(_task: Task, trial: Trial) -> Predictor:
        for progress, wrong in zip(RUNGS, (3, 2), strict=True):
            trial.report(progress, told(IMAGES, _giving(wrong)))
        return told(IMAGES, _giving(1))

    context = LabelledContext(
        IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy")
    )
    spec = TrialSpec(0, tiny_source(), Teller(answer), {}, 0, None, rivals)
    return run_trial(spec, context)


def test_each_rung_of_each_fold_is_scored_and_only_the_ends_count(tmp_path: Path) -> None:
    result = _run(tmp_path, ())
    assert result.outcome.state is State.COMPLETE
    assert [step for step, _ in result.outcome.rungs] == list(range(9))
    values = [value for _, value in result.outcome.rungs]
    assert values == pytest.approx([5 / 8, 6 / 8, 7 / 8] * 3)
    assert result.outcome.value == pytest.approx(7 / 8)
    assert result.validation is not None
    np.testing.assert_allclose(result.validation, _giving(1)[np.concatenate(PARTS)])
    for step, losses in result.losses.items():
        np.testing.assert_array_equal(losses, _losses(step // 3, 3 - step % 3))


def test_a_trial_is_held_against_those_at_its_own_step(tmp_path: Path) -> None:
    # whom it meets at each rung is as good as it is itself; a rung later it would be far behind
    even = [_losses(fold, wrong) for fold in range(3) for wrong in (3, 2, 1)]
    assert _run(tmp_path, even).outcome.state is State.COMPLETE
    strong = [*even]
    strong[1] = _losses(0, 0)
    stopped = _run(tmp_path, strong).outcome
    assert stopped.state is State.PRUNED
    assert [step for step, _ in stopped.rungs] == [0, 1]


def test_a_later_fold_is_held_against_nobody_of_the_first(tmp_path: Path) -> None:
    known = [_losses(0, 3), _losses(0, 2), _losses(0, 1), *[None] * 6]
    assert _run(tmp_path, known).outcome.state is State.COMPLETE
    beaten: list[NDArray[np.float32] | None] = [None] * 9
    beaten[4] = _losses(1, 0)
    stopped = _run(tmp_path, beaten).outcome
    assert [step for step, _ in stopped.rungs] == [0, 1, 2, 3, 4]


def test_the_obvious_sees_every_source_and_another_strategy_the_shortlist(
    tmp_path: Path,
) -> None:
    pool = (tiny_source(), tiny_source("second", seed=1), tiny_source("third", seed=2))
    context = LabelledContext(
        *(IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy")),
        shortlist=pool[:2],
        pool=pool,
    )
    seen = []
    for strategy in (Obvious(_answer), Teller(_answer)):
        run_trial(TrialSpec(-1, pool[0], strategy, {}, 0, None), context)
        seen.append([[source.name for source in task.companions] for task in strategy.tasks])
    assert seen == [[["second", "third"]] * 3, [["second"]] * 3]


def _answer(_task: Task, _trial: Trial) -> Predictor:
    return told(IMAGES, _giving(1))
