from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from autotransfer.models.heads import LinearHead, fit_ridge
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import fit_ridge_held_out
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.testing import shapes, tiny_source, tiny_task
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autotransfer_fusion import DefaultProbe, MeanOfProbes, MixtureOfProbes
from autotransfer_fusion.predictor import FusionPredictor, Joint
from autotransfer_fusion.strategies import Probe

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


def _mixture(task: Task) -> FusionPredictor:
    return MixtureOfProbes().fit(task, Trial({}, lambda _progress, _predictor: None, None, 0))


def _likely(task: Task, num_classes: int) -> np.ndarray:
    """Return (3, n): the leave-one-out probability that each source gives to the right class."""
    labels = task.train.labels
    found = [
        fit_ridge_held_out(_rows(task, place), labels, num_classes, standardise=False).held_out
        for place in range(3)
    ]
    return np.stack([said[np.arange(len(labels)), labels] for said in found])


def _beside(task: Task, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of the sources in the joint probe, and its (n, d) rows, by hand."""
    # a prior of twenty items for all sources together, the same for each of the three
    factors = np.sqrt(mixture_weights(_likely(task, num_classes), prior=20 / 3))
    blocks = [factor * _rows(task, place) for place, factor in enumerate(factors)]
    return factors, np.concatenate(blocks, axis=1)


def test_the_joint_probe_reads_all_sources_side_by_side_by_the_root_of_their_weights(
    hard: Task,
) -> None:
    factors, beside = _beside(hard, 18)
    wanted = fit_ridge(beside, hard.train.labels, 18, standardise=False)
    joint = _mixture(hard).joint
    assert [part.source.name for part in joint.parts] == ["tiny", "second", "third"]
    np.testing.assert_allclose([part.weight for part in joint.parts], factors**2)
    own = [part.predictor.head.weight for part in joint.parts]
    scaled = np.concatenate(
        [weight / factor for weight, factor in zip(own, factors, strict=True)], axis=1
    )
    np.testing.assert_allclose(scaled, wanted.weight, atol=1e-8)


def test_the_weights_of_probes_and_joint_probe_arrive_in_the_answer(hard: Task) -> None:
    predictor, reader = _mixture(hard), hard.features
    alone, joint = predictor.probes, predictor.joint
    assert [(share.source, share.strategy) for share in predictor.composition] == [
        ("tiny", "probe"),
        ("second", "probe"),
        ("third", "probe"),
    ]
    np.testing.assert_allclose(
        [share.weight for share in predictor.composition],
        [p.weight + joint.weight * j.weight for p, j in zip(alone, joint.parts, strict=True)],
    )
    assert sum(share.weight for share in predictor.composition) == pytest.approx(1.0)
    logits, images = [], shapes(3, 4, seed=9)
    for source, part in zip((hard.source, *OTHERS), predictor.joint.parts, strict=True):
        x = reader.of(source)(images) - part.predictor.centres[0]
        logits.append(part.predictor.head.logits(unit_rows(x)))
    said = [probe.weight * _probe(hard, place) for place, probe in enumerate(alone)]
    said.append(predictor.joint.weight * softmax(np.sum(logits, axis=0), axis=1))
    np.testing.assert_allclose(_fitted(MixtureOfProbes(), hard), np.sum(said, axis=0))


def test_the_mixture_weighs_what_each_said_of_items_that_it_had_not_learnt_from(
    hard: Task,
) -> None:
    labels = hard.train.labels
    _, beside = _beside(hard, 18)
    joint = fit_ridge_held_out(beside, labels, 18, standardise=False).held_out
    likely = np.vstack([_likely(hard, 18), joint[np.arange(len(labels)), labels]])
    # of the twenty items, a fifth for the joint probe
    wanted = mixture_weights(likely, prior=np.array([16 / 3, 16 / 3, 16 / 3, 4]))
    found = _mixture(hard)
    weights = [probe.weight for probe in found.probes]
    np.testing.assert_allclose([*weights, found.joint.weight], wanted)


def test_a_source_under_two_names_counts_once(hard: Task) -> None:
    copied = replace(hard, companions=(*OTHERS, replace(OTHERS[1], name="copy of the third")))
    for strategy in (MixtureOfProbes(), MeanOfProbes()):
        np.testing.assert_array_equal(_fitted(strategy, copied), _fitted(strategy, hard))


def test_of_one_item_a_class_no_source_is_taken_for_a_copy(tmp_path: Path) -> None:
    single = replace(tiny_task(tmp_path / "cache", per_class=1), companions=OTHERS)
    assert len(_mixture(single).probes) == 3


def test_of_many_items_there_is_no_joint_probe(
    hard: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _mixture(hard).joint.parts
    monkeypatch.setattr("autotransfer_fusion.strategies.MOST_JOINED", len(hard.train) - 1)
    assert _mixture(hard).joint == Joint()


def test_columns_that_a_probe_standardises_are_standardised_in_the_joint_probe(
    task: Task,
) -> None:
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(3), 20)
    x = rng.normal(size=(60, 6)) + 3 * np.eye(3, 6)[labels]
    x[:, 5] *= 1e4  # noise in another unit
    fit, centre = fit_unit_ridge(x, labels, 3)
    assert centre is None
    probe = Probe(task.source, HeadPredictor(fit.head, 1), fit)
    rows, scale = probe.rows(x)
    wanted = (x - x.mean(axis=0)) / x.std(axis=0) / np.sqrt(6)
    np.testing.assert_allclose(rows, wanted)
    assert np.square(rows).sum(axis=1).mean() == pytest.approx(1.0)
    head = LinearHead(np.ones((3, 6)), np.zeros(3))
    np.testing.assert_allclose(scale.fold_into(head).logits(x), head.logits(wanted), atol=1e-9)


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


def test_of_one_item_a_class_all_probes_weigh_the_same(tmp_path: Path) -> None:
    single = replace(tiny_task(tmp_path / "cache", per_class=1), companions=OTHERS)
    found = _mixture(single)
    np.testing.assert_allclose([probe.weight for probe in found.probes], 0.8 / 3)
    assert found.joint.weight == pytest.approx(0.2)


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
