from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidOptionError
from autotransfer.models.small_cnn import small_source
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer.results import ScenarioKind
from autotransfer_adaptation.gradual import (
    DirectSelfTraining,
    GradualSelfTraining,
    most_certain,
)


def _task(cache: Path, through: tuple[ImageSet, ...]) -> Task:
    task = tiny_task(cache, num_classes=3, per_class=12)
    source = small_source()
    reader = task.features.of(source)
    return replace(
        task,
        scenario=ScenarioKind.UNLABELLED,
        source=source,
        features=reader,
        load_backbone=lambda: reader.backbone,  # type: ignore[attr-defined]
        unlabelled=shapes(3, 8, seed=3).without_labels(),
        through=through,
    )


def test_the_least_certain_tenth_is_dropped() -> None:
    certainty = np.array([0.9, 0.6, 0.8, 0.95, 0.7, 0.99, 0.85, 0.75, 0.65, 0.92])
    shares = np.stack([certainty, 1 - certainty], axis=1)
    assert most_certain(shares, 0.1).tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert most_certain(shares, 0.0).tolist() == list(range(10))
    assert most_certain(shares[:2], 0.9).tolist() == [0, 1]


def test_both_ways_have_as_many_rounds_and_only_one_goes_through(tmp_path: Path) -> None:
    stones = (shapes(3, 4, seed=5).without_labels(), shapes(3, 4, seed=6).without_labels())
    task = _task(tmp_path, stones)
    gradual, direct = GradualSelfTraining().hops(task), DirectSelfTraining().hops(task)
    assert [*gradual] == [*stones, task.unlabelled]
    assert [*direct] == [task.unlabelled] * 3


@pytest.mark.parametrize("kind", ["labelled", "without labels"])
def test_it_learns_and_saves_what_it_learned(tmp_path: Path, kind: str) -> None:
    stone = shapes(3, 8, seed=5)
    task = _task(tmp_path, (stone if kind == "labelled" else stone.without_labels(),))
    strategy = GradualSelfTraining()
    params = {**strategy.space(task.info).defaults(), "effort": 0.25}
    seen: list[float] = []
    predictor = strategy.fit(task, Trial(params, lambda p, _q: seen.append(p), None, 0))
    unseen = shapes(3, 8, seed=7)
    found = predictor.predict(unseen, task.features)
    assert (found.argmax(axis=1) == unseen.labels).mean() > 0.7
    assert seen == [0.5]
    restored = strategy.restore(*predictor.state(), task.source)
    np.testing.assert_allclose(restored.predict(unseen, task.features), found, atol=1e-6)


def test_without_intermediate_pictures_it_says_how_to_give_them(tmp_path: Path) -> None:
    task = _task(tmp_path, ())
    params = GradualSelfTraining().space(task.info).defaults()
    with pytest.raises(InvalidOptionError, match="--through"):
        GradualSelfTraining().fit(task, Trial(params, lambda _p, _q: None, None, 0))
