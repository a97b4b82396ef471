"""Classes described by sentences: the nearest one, and what classes with items correct."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.attributes import Attributes
from autotransfer.errors import InvalidOptionError
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Task, TaskInfo, Trial
from autotransfer.results import ScenarioKind
from autotransfer_attribute_zero_shot.described import (
    CorrectedDescription,
    NearestDescription,
    ridge_to,
    told_apart,
)
from tests.tiny_texts import task_on, text_set, write_table


def _trial(**params: float) -> Trial:
    return Trial(params, lambda _progress, _predictor: None, None, 0)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Three topics with texts and two more, described by numbers drawn at random."""
    source = source_of_folder(write_table(tmp_path / "table"))
    plain = task_on(source)
    rows = np.random.default_rng(0).normal(size=(5, 16))
    rows[:3] = [
        plain.features(plain.train)[plain.train.labels == k].mean(axis=0) for k in range(3)
    ]
    table = Attributes(
        tuple(map(str, range(16))), (*plain.class_names, "x", "y"), rows, 3,
        describer="table", describer_key=source.fingerprint,
    )  # fmt: skip
    return replace(
        plain, scenario=ScenarioKind.ZERO_SHOT, class_names=table.class_names, attributes=table
    )


def test_the_score_of_the_nearest_description_is_the_cosine_in_units_of_its_spread(
    task: Task,
) -> None:
    predictor = NearestDescription().fit(task, _trial())
    texts, rows = text_set(2, 7), task.attributes.values  # type: ignore[union-attr]
    x = task.features(texts).astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
    found = predictor.scores(texts, task.features, rows)
    np.testing.assert_allclose(found / found[0, 0], cosine / cosine[0, 0], rtol=1e-6)
    tensors, info = predictor.state()
    again = NearestDescription().restore(tensors, info, task.source)
    np.testing.assert_array_equal(
        again.predict(texts, task.features), predictor.predict(texts, task.features)
    )


def test_without_bound_on_its_penalty_the_correction_is_gone_and_without_one_it_is_exact() -> None:
    rows, wanted = (
        np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        np.array([[0.2, 0, 1], [0, 0.4, 0]]),
    )
    assert np.abs(ridge_to(rows, wanted, 1e12)).max() < 1e-9
    np.testing.assert_allclose(rows @ ridge_to(rows, wanted, 1e-12), wanted, atol=1e-9)
    # by hand: rows are orthonormal, so half of what is wanted is left at the penalty 1
    np.testing.assert_allclose(ridge_to(rows, wanted, 1.0)[:2], wanted / 2, atol=1e-12)
    assert not ridge_to(rows, wanted, 1.0)[2].any()


def test_the_correction_moves_descriptions_towards_the_texts_of_their_classes(task: Task) -> None:
    table = task.attributes
    assert table is not None
    exchanged = replace(table, values=table.values[[1, 2, 0, 3, 4]])  # of another class each
    task = replace(task, attributes=exchanged)
    wrong = [
        (strategy.fit(task, _trial(regularisation=0.1)).predict(task.train, task.features)[:, :3]
         .argmax(axis=1) != task.train.labels).mean()
        for strategy in (NearestDescription(), CorrectedDescription())
    ]  # fmt: skip
    assert wrong[0] > 0.8
    assert wrong[1] < 0.2


def test_descriptions_of_another_source_are_of_no_use(task: Task) -> None:
    info = TaskInfo(task.source, ScenarioKind.ZERO_SHOT, 10, 5, describer_key="another")
    assert "another source has read the descriptions" in NearestDescription().unfit(info)
    assert not NearestDescription().unfit(task.info)
    other = replace(task.attributes, describer_key="another")  # type: ignore[type-var]
    with pytest.raises(InvalidOptionError, match="--descriptions"):
        NearestDescription().fit(replace(task, attributes=other), _trial())


def test_classes_are_told_apart_with_the_rows_that_are_drawn_in_their_place() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 2.0], [0.0, 5.0, 5.0]])
    labels, drawn = np.array([0, 0, 1]), np.array([[0, 1, 2], [1, 2, 0]])
    # true rows: half of class 0 is right, all of class 1. Exchanged: one of class 0 has less for
    # row 1 than for row 2 and the other as much, which is half right; class 1 is a tie
    found = told_apart(scores, labels, [(0, 1)], drawn)
    np.testing.assert_allclose(found, [(0.5 + 1.0) / 2, (0.25 + 0.5) / 2])


def test_what_learns_nothing_has_its_own_scores_without_any_class(task: Task) -> None:
    closed = NearestDescription().left_out(task, _trial())
    predictor = NearestDescription().fit(task, _trial())
    assert closed is not None
    assert task.attributes is not None
    every = predictor.scores(task.train, task.features, task.attributes.values)
    kept = np.isin(task.train.labels, [0, 2])
    np.testing.assert_array_equal(closed.scores([0, 2])[0], every[kept])
    truth = np.arange(5)[None]
    pairs = [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_array_equal(
        closed.exchanged(pairs, truth)[:, 0], told_apart(every, task.train.labels, pairs, truth)
    )
    assert CorrectedDescription().left_out(task, _trial(regularisation=1.0)) is None
