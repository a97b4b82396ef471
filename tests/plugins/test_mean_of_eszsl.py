from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.zero_shot.eszsl import Decomposition, Eszsl
from autotransfer.plugin.need import Need
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import Workbench
from autotransfer.results import Decision, Layers, Share
from autotransfer.scenarios.zero_shot.pairwise_guard import judge_pairs
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.verdict import LEVEL, decide
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autotransfer_attribute_zero_shot.mean import MeanOfEszsl, MeanPredictor
from autotransfer_attribute_zero_shot.middle import MiddleTask, middle_eszsl, ridge
from tests.benchmarks.default_eszsl import DefaultEszsl
from tests.plugins.zero_shot_toys import Toy, digits_toy, shapes_toy

Array = NDArray[np.float64]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Workbench(MeanOfEszsl(), tmp_path).task(6, 5)


@pytest.fixture
def predictor(task: Task, tmp_path: Path) -> MeanPredictor:
    found = Workbench(MeanOfEszsl(), tmp_path).fit(task)
    assert isinstance(found, MeanPredictor)
    return found


def test_what_it_says_is_the_plain_mean_of_what_its_members_say(
    predictor: MeanPredictor, task: Task
) -> None:
    (first, own), (second, other) = predictor.members
    assert [first.name, second.name] == ["tiny", "other"]
    features, beside, rows = task.features, task.features.of(second), predictor.rows
    scores = predictor.scores(task.train, features, rows)
    by_hand = (own.scores(task.train, features, rows) + other.scores(task.train, beside, rows)) / 2
    np.testing.assert_allclose(scores, by_hand)
    np.testing.assert_allclose(
        predictor.attributes(task.train, features),
        (own.attributes(task.train, features) + other.attributes(task.train, beside)) / 2,
    )
    parts = predictor.contributions(task.train, features, rows)
    np.testing.assert_allclose(parts.sum(axis=2), scores, atol=1e-8)
    assert scores[:, :6].std() == pytest.approx(1.0)  # over images and seen classes


def test_it_names_its_members_in_equal_shares(predictor: MeanPredictor, task: Task) -> None:
    stages = task.features.num_stages
    layers = Layers(stages, stages, 0)
    assert predictor.composition == (
        Share("tiny", "eszsl", layers, 0.5),
        Share("other", "eszsl", layers, 0.5),
    )


def test_a_saved_mean_reads_both_sources_from_its_folder(
    predictor: MeanPredictor, task: Task, tmp_path: Path
) -> None:
    write_checkpoint(
        tmp_path / "kept",
        Checkpoint(predictor, "mean-of-eszsl", baseline=False, source=task.source),
    )
    kept = read_checkpoint(tmp_path / "kept", discover())
    assert isinstance(kept.predictor, MeanPredictor)
    assert kept.predictor.companions == predictor.companions
    np.testing.assert_allclose(
        kept.predictor.contributions(task.train, task.features, predictor.rows),
        predictor.contributions(task.train, task.features, predictor.rows),
    )


@pytest.mark.parametrize("shape", [(60, 8), (12, 20)])
def test_the_middle_is_the_mean_eigenvalue_and_one_dense_solution_reaches_it(
    shape: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=shape)
    labels = np.arange(shape[0]) % 6
    table = shapes_toy(0).table.reordered(shapes_toy(0).table.seen[:6], shapes_toy(0).table.unseen)
    task = MiddleTask.of(z, labels, table)
    found = Decomposition.of(task.z)
    assert task.gamma == pytest.approx(found.unit)
    assert task.lam == pytest.approx(Decomposition.of(task.seen).unit)
    direct = Eszsl.of(found, labels, task.seen).compatibility(found.unit, task.lam)
    np.testing.assert_allclose(middle_eszsl(task, 1).towers.queries, direct, atol=1e-10)


def test_ridge_is_the_same_through_either_gram() -> None:
    rng = np.random.default_rng(1)
    wide, targets = rng.normal(size=(10, 30)), rng.normal(size=(10, 2))
    normal = np.linalg.solve(wide.T @ wide + 0.5 * np.eye(30), wide.T @ targets)
    np.testing.assert_allclose(ridge(wide, targets, 0.5), normal, atol=1e-10)
    tall, targets = wide.T, rng.normal(size=(30, 2))
    normal = np.linalg.solve(tall.T @ tall + 0.5 * np.eye(10), tall.T @ targets)
    np.testing.assert_allclose(ridge(tall, targets, 0.5), normal, atol=1e-10)


def test_the_default_is_the_same_on_one_source(task: Task, tmp_path: Path) -> None:
    found = Workbench(DefaultEszsl(), tmp_path).fit(task)
    assert isinstance(found, MeanPredictor)
    assert found.companions == ()
    assert Need.COMPANIONS not in DefaultEszsl.needs


def _fused(toy: Toy, others: int = 2) -> Point:
    """Return the mean over several random views of a toy."""
    rng = np.random.default_rng(7)
    views = {"random": toy.features}
    for number in range(others):
        turned = toy.features @ rng.normal(size=(toy.features.shape[1], 200))
        views[f"view {number}"] = np.maximum(turned, 0.0)
    return toy.point_of(MeanOfEszsl(), views)


def test_the_mean_is_positive_where_attributes_carry_over() -> None:
    evidence = judge_pairs(_fused(shapes_toy(0)), [], seed=0, deadline=None)
    assert evidence.refitted  # the closed form was used: rows are exchanged before learning
    assert decide(evidence) is Decision.POSITIVE


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_claims_nothing_for_rows_of_the_wrong_classes(seed: int) -> None:
    toy = digits_toy(seed)
    order = np.random.default_rng(1000 + seed).permutation(10)
    dealt = replace(toy, table=replace(toy.table, values=toy.table.values[order]))
    evidence = judge_pairs(_fused(dealt), [], seed=0, deadline=None)
    assert evidence.p_value > LEVEL


@pytest.mark.parametrize("pair", [(0, 1), (5, 20)])
def test_a_fit_without_a_pair_tells_it_apart_as_the_closed_form_does(
    pair: tuple[int, int],
) -> None:
    point = _fused(shapes_toy(0))
    closed = point.closed_form()
    assert closed is not None
    again, found = (
        scores[0][:, pair[0]] - scores[0][:, pair[1]]
        for scores in (point.fitted_again(pair), closed.scores(pair))
    )  # the fit scales features and rows anew, so that numbers differ a little
    assert np.corrcoef(again, found)[0, 1] > 0.99
    assert ((again > 0) == (found > 0)).mean() > 0.95


def test_every_source_that_the_mean_reads_is_one_that_may_know_a_class() -> None:
    assert [source.name for source in _fused(shapes_toy(0)).sources] == [
        "random",
        "view 0",
        "view 1",
    ]
    assert [source.name for source in shapes_toy(0).point().sources] == ["random"]
