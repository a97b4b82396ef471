from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from autotransfer.errors import AutotransferError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.heads import LinearHead, fit_ridge
from autotransfer.models.heads.linear import inverse_temperature
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_source, tiny_task
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autotransfer_source_stacking import (
    Member,
    SourceStacking,
    StackedPredictor,
    held_out_logits,
    stack,
)
from autotransfer_source_stacking import _worthwhile as worthwhile

OTHERS = tuple(tiny_source(f"other {seed}", seed=seed) for seed in (1, 2, 3))
Logits = NDArray[np.float64]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return replace(tiny_task(tmp_path_factory.mktemp("cache")), companions=OTHERS)


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(task: Task, **params: Any) -> StackedPredictor:
    strategy = SourceStacking()
    point = {**strategy.space(task.info).defaults(), **params}
    assert strategy.space(task.info).contains(point)
    return strategy.fit(task, Trial(point, _ignore, None, 0))


def _two_views(
    n: int, strengths: tuple[float, float], *, seed: int = 3
) -> tuple[list[Logits], NDArray[np.int64]]:
    """Return (n, 12) features of two sources that know the class so well, and the labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    views = [
        strength * rng.normal(size=(3, 12))[labels] + rng.normal(size=(n, 12))
        for strength in strengths
    ]
    return views, labels


def _log_loss(logits: Logits, labels: NDArray[np.int64]) -> float:
    return -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _held_out(views: list[Logits], labels: NDArray[np.int64]) -> Logits:
    return np.stack([held_out_logits(x, labels, 3) for x in views])


def _on_unseen(strengths: tuple[float, float], num_train: int, seed: int) -> list[float]:
    """Return the log loss of each source alone and of the mixture, and the first one's weight."""
    views, labels = _two_views(num_train + 300, strengths, seed=seed)
    train, test = slice(0, num_train), slice(num_train, None)
    weights, factors = stack(_held_out([x[train] for x in views], labels[train]), labels[train])
    single = [fit_ridge(x[train], labels[train], 3).logits(x[test]) for x in views]
    mixed = np.tensordot(factors, np.stack(single), axes=1)
    return [*(_log_loss(z, labels[test]) for z in (*single, mixed)), float(weights[0])]


@pytest.mark.parametrize("regularisation", [1e-3, 1.0, 1e3])
def test_weights_are_not_negative_and_sum_to_one(regularisation: float) -> None:
    views, labels = _two_views(60, (0.5, 0.5))
    weights, factors = stack(_held_out(views, labels), labels, regularisation=regularisation)
    assert (weights >= 0).all()
    assert (factors >= 0).all()
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_source_that_knows_the_class_gets_the_weight_and_noise_does_no_harm(
    strength: float,
) -> None:
    found = np.array([_on_unseen((strength, 0.0), 90, seed) for seed in range(12)])
    alone, _, mixed, weight = found.mean(axis=0)
    assert weight > 0.9
    assert mixed <= alone + 0.01


def test_two_sources_that_err_independently_are_better_than_one() -> None:
    found = np.array([_on_unseen((0.5, 0.5), 90, seed) for seed in range(12)])
    first, second, mixed, weight = found.mean(axis=0)
    assert mixed < min(first, second) - 0.1
    assert weight == pytest.approx(0.5, abs=0.1)


def test_weights_are_shares_of_the_mixed_logits() -> None:
    # 2 sources, 4 images, 2 classes: the second says a tenth of what the first says
    labels = np.array([0, 0, 1, 1])
    first = np.array([[1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])
    weights, factors = stack(np.stack([first, first / 10]), labels, regularisation=1e6)
    np.testing.assert_allclose(factors, 0.5, atol=1e-3)
    np.testing.assert_allclose(weights, [10 / 11, 1 / 11], atol=1e-3)


def test_pictures_that_are_all_told_apart_do_not_make_the_mixture_ever_sharper() -> None:
    labels = np.arange(30) % 3
    sure = 8.0 * np.eye(3)[labels]
    _, factors = stack(np.stack([sure, sure]), labels)
    assert 1.0 <= factors.sum() < 1.1


def test_no_other_mixture_has_a_lower_held_out_loss() -> None:
    views, labels = _two_views(60, (0.7, 0.4))
    logits = _held_out(views, labels)
    _, factors = stack(logits, labels, regularisation=0.0)
    grid = [
        _log_loss(total * (share * logits[0] + (1 - share) * logits[1]), labels)
        for share in np.linspace(0, 1, 41)
        for total in np.linspace(0.2, 4.0, 77)
    ]
    assert _log_loss(np.tensordot(factors, logits, axes=1), labels) <= min(grid) + 1e-6


def test_much_regularisation_makes_the_plain_mean_of_the_logits() -> None:
    views, labels = _two_views(60, (1.0, 0.2))
    logits = _held_out(views, labels)
    _, loose = stack(logits, labels, regularisation=1e-3)
    _, tight = stack(logits, labels, regularisation=1e3)
    assert np.ptp(loose) > np.ptp(tight)
    np.testing.assert_allclose(tight, 0.5, atol=0.02)


def test_held_out_logits_have_their_temperature_and_are_worse_than_fitted_ones() -> None:
    (x, _), labels = _two_views(60, (0.7, 0.0))
    logits = held_out_logits(x, labels, 3)
    assert inverse_temperature(logits, labels) == pytest.approx(1.0, abs=1e-3)
    assert _log_loss(logits, labels) > _log_loss(fit_ridge(x, labels, 3).logits(x), labels)


def test_a_held_out_row_does_not_depend_on_its_own_label() -> None:
    (x, _), labels = _two_views(60, (0.7, 0.0))
    before = held_out_logits(x, labels, 3)[0]
    changed = labels.copy()
    changed[0] = 1  # it was 0
    after = held_out_logits(x, changed, 3)[0]
    # the temperature moves a little with one label in sixty, the direction does not
    np.testing.assert_allclose(
        after / np.linalg.norm(after), before / np.linalg.norm(before), atol=1e-6
    )


def test_without_another_source_it_says_what_is_missing(task: Task) -> None:
    with pytest.raises(AutotransferError, match="no source beside tiny; it needs two or more"):
        _fit(replace(task, companions=()))


@pytest.mark.parametrize(("asked", "read"), [(2, 1), (3, 2), (5, 3)])
def test_it_reads_as_many_sources_as_there_are_and_no_more_than_asked(
    task: Task, asked: int, read: int
) -> None:
    found = _fit(task, num_sources=asked, regularisation=1e3)
    assert found.companions == OTHERS[:read]
    assert sum(found.state()[1]["weights"]) == pytest.approx(1.0)


def test_depth_is_the_same_fraction_of_every_source(task: Task) -> None:
    found = _fit(task, depth=0.6, regularisation=1e3)
    assert [member.stage for member in found.members] == [3, 3, 3]
    assert found.layers.stage == 3


def test_a_companion_without_weight_is_not_read() -> None:
    head = LinearHead(np.zeros((2, 3)), np.zeros(2))
    weights = (0.745, 0.25, 0.005)
    members = [
        Member(source, 1, head, weight) for source, weight in zip(OTHERS, weights, strict=True)
    ]
    left = worthwhile(members)
    assert [member.source.name for member in left] == ["other 1", "other 2"]
    assert [member.weight for member in left] == pytest.approx([0.745 / 0.995, 0.25 / 0.995])


def _on_disk(source: Source, folder: Path) -> Source:
    file = folder / f"{source.name}.safetensors"
    sha256 = write_state_dict(file, load_backbone(source).network.state_dict())
    return replace(source, weights=LocalWeights(file, sha256))


def test_a_saved_predictor_brings_the_weights_of_its_companions(tmp_path: Path) -> None:
    plain = tiny_task(tmp_path / "cache")
    others = tuple(_on_disk(source, tmp_path) for source in OTHERS[:2])
    task = replace(plain, companions=others)
    found = _fit(task, regularisation=1e3)
    unseen = shapes(3, 4, seed=5)
    expected = found.predict(unseen, task.features)
    saved = tmp_path / "saved"
    write_checkpoint(
        saved, Checkpoint(found, "source-stacking", baseline=False, source=task.source)
    )
    for source in OTHERS[:2]:
        (tmp_path / f"{source.name}.safetensors").unlink()
    assert (saved / "companion-1.safetensors").is_file()

    registry = replace(discover(), strategies={"source-stacking": SourceStacking()})
    restored = read_checkpoint(saved, registry).predictor
    fresh = tiny_task(tmp_path / "empty cache")
    np.testing.assert_allclose(restored.predict(unseen, fresh.features), expected, atol=1e-6)
    assert [source.name for source in restored.companions] == ["other 1", "other 2"]
