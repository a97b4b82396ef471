from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.models.heads import fit_ridge
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.testing import shapes, tiny_source, tiny_task
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autotransfer_fusion import DefaultProbe, MeanOfProbes, MixtureOfProbes

OTHERS = (tiny_source("second", seed=1), tiny_source("third", seed=2))


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return replace(tiny_task(tmp_path / "cache"), companions=OTHERS)


@pytest.fixture
def hard(task: Task) -> Task:
    """Eighteen directions with two images each: the sources differ in what they tell apart."""
    images = shapes(18, 2)
    return replace(task, train=images, class_names=images.class_names)


def _fitted(strategy: Strategy, task: Task) -> np.ndarray:
    trial = Trial({}, lambda _progress, _predictor: None, None, 0)
    return strategy.fit(task, trial).predict(shapes(3, 4, seed=9), task.features)


def _probe(task: Task, place: int) -> np.ndarray:
    """Return what a ridge probe on unit rows of one of the three sources says, made by hand."""
    reader = task.features.of((task.source, *OTHERS)[place])
    rows, labels, num_classes = _rows(task, place), task.train.labels, len(task.class_names)
    centre = reader(task.train).mean(axis=0, dtype=np.float64)
    head = fit_ridge(rows, labels, num_classes, standardise=False)
    return head.probabilities(unit_rows(reader(shapes(3, 4, seed=9)) - centre))


def _rows(task: Task, place: int) -> np.ndarray:
    x = task.features.of((task.source, *OTHERS)[place])(task.train)
    return unit_rows(x - x.mean(axis=0, dtype=np.float64))


def test_the_default_probe_reads_the_default_source_alone(task: Task) -> None:
    np.testing.assert_allclose(_fitted(DefaultProbe(), task), _probe(task, 0))


def test_the_plain_mean_weighs_the_probes_of_all_sources_equally(task: Task) -> None:
    wanted = (_probe(task, 0) + _probe(task, 1) + _probe(task, 2)) / 3
    np.testing.assert_allclose(_fitted(MeanOfProbes(), task), wanted)


def test_the_weights_of_the_mixture_arrive_in_the_answer(hard: Task) -> None:
    trial = Trial({}, lambda _progress, _predictor: None, None, 0)
    predictor = MixtureOfProbes().fit(hard, trial)
    weights = [share.weight for share in predictor.composition]
    assert [share.source for share in predictor.composition] == ["tiny", "second", "third"]
    assert sum(weights) == pytest.approx(1.0)
    wanted = sum(w * _probe(hard, place) for place, w in enumerate(weights))
    np.testing.assert_allclose(_fitted(MixtureOfProbes(), hard), np.asarray(wanted))


def test_the_mixture_weighs_what_the_sources_said_of_items_that_they_had_not_learnt_from(
    hard: Task,
) -> None:
    labels, likely = hard.train.labels, []
    for place in range(3):
        found = fit_ridge_held_out(_rows(hard, place), labels, 18, standardise=False)
        likely.append(found.held_out[np.arange(len(labels)), labels])
    # a prior of twenty items for all sources together, the same for each of the three
    wanted = mixture_weights(np.stack(likely), prior=20 / 3)
    trial = Trial({}, lambda _progress, _predictor: None, None, 0)
    weights = [share.weight for share in MixtureOfProbes().fit(hard, trial).composition]
    np.testing.assert_allclose(weights, wanted)


def test_leave_one_out_probabilities_are_those_of_fits_without_the_item() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    x = rng.normal(size=(12, 5)) + labels[:, None]
    found = fit_ridge_held_out(x, labels, 3, standardise=False)
    # penalty and temperature of the whole: the scores of a fit without item 0 at the same penalty
    gram_unit = np.square(x - x.mean(axis=0)).sum() / 12
    scale = np.log(found.held_out[0]) - np.log(found.held_out[0]).mean()
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    candidates = []
    for penalty in np.logspace(-3, 3, 13) * gram_unit:
        centre, mean = x[1:].mean(axis=0), targets[1:].mean(axis=0)
        z = x[1:] - centre
        weight = np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T @ (targets[1:] - mean))
        scores = mean + (x[0] - centre) @ weight
        candidates.append(scores - scores.mean())
    shapes_match = [
        np.allclose(scale / np.linalg.norm(scale), c / np.linalg.norm(c), atol=1e-6)
        for c in candidates
    ]
    assert sum(shapes_match) == 1


def test_an_item_alone_in_its_class_says_nothing_about_the_sources() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2])
    found = fit_ridge_held_out(np.random.default_rng(0).normal(size=(7, 4)), labels, 4)
    assert found.testable.tolist() == [True] * 6 + [False]
    assert found.likely(labels).shape == (6,)
    assert found.held_out[:, 3].max() == 0.0  # a class that does not occur


def test_of_one_item_a_class_the_mixture_is_the_mean(tmp_path: Path) -> None:
    single = replace(tiny_task(tmp_path / "cache", per_class=1), companions=OTHERS)
    np.testing.assert_allclose(_fitted(MixtureOfProbes(), single), _fitted(MeanOfProbes(), single))


def test_it_comes_back_from_disk_with_all_its_sources(task: Task, tmp_path: Path) -> None:
    trial = Trial({}, lambda _progress, _predictor: None, None, 0)
    predictor = MixtureOfProbes().fit(task, trial)
    kept = Checkpoint(predictor, "mixture-of-probes", baseline=False, source=task.source)
    write_checkpoint(tmp_path / "kept", kept)
    found = read_checkpoint(tmp_path / "kept", discover())
    assert found.source is not None
    images = shapes(3, 4, seed=9)
    again = found.predictor.predict(images, task.features.of(found.source))
    np.testing.assert_allclose(again, predictor.predict(images, task.features), atol=1e-12)
    assert found.members == kept.members
    assert [member.weight for member in kept.members] == sorted(
        (member.weight for member in kept.members), reverse=True
    )
