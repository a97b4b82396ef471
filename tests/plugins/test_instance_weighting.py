from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.errors import AutotransferError, InvalidOptionError
from autotransfer.models.heads import LinearHead, fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_instance_weighting import InstanceWeighting, source_weights
from autotransfer_instance_weighting.density_ratio import density_ratio
from autotransfer_instance_weighting.kliep import kliep
from autotransfer_instance_weighting.rows import some_of_each
from autotransfer_instance_weighting.tradaboost import Boosting, Vote, tradaboost
from autotransfer_instance_weighting.voting import VotePredictor
from autotransfer_instance_weighting.weighted_logistic import (
    effective_number,
    fit_weighted_logistic,
)

SHIFT = 1.0


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return replace(tiny_task(tmp_path / "cache"), source_images=shapes(3, 12, seed=1))


def _fit(task: Task, **params: Any) -> Predictor:
    strategy = InstanceWeighting()
    point = {**strategy.space(task.info).defaults(), **params}
    assert strategy.space(task.info).contains(point)
    return strategy.fit(task, Trial(point, _ignore, None, 0))


def _gaussians(n: int = 600, d: int = 2) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return source N(0, I) and target N((1, 0, ..), I): the log ratio is x_0 - 1/2."""
    rng = np.random.default_rng(0)
    shift = SHIFT * np.eye(d)[0]
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift


def _true_ratio(x: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.exp(SHIFT * x[:, 0] - SHIFT**2 / 2)
    return ratio


def test_the_discriminative_ratio_of_two_gaussians_is_the_true_one() -> None:
    source, target = _gaussians()
    weights = density_ratio(source, target)
    assert weights.mean() == pytest.approx(1.0)
    assert np.corrcoef(np.log(weights), np.log(_true_ratio(source)))[0, 1] > 0.95
    assert np.abs(weights - _true_ratio(source)).mean() < 0.15


def test_unequal_numbers_do_not_tilt_the_discriminative_ratio() -> None:
    source, target = _gaussians()
    weights = density_ratio(source, target[:60])
    assert np.corrcoef(weights, _true_ratio(source))[0, 1] > 0.9


def test_kliep_finds_the_true_ratio_of_two_gaussians() -> None:
    source, target = _gaussians()
    weights = kliep(source, target, widths=(0.5,)).ratio(source)
    assert np.corrcoef(weights, _true_ratio(source))[0, 1] > 0.85
    assert np.abs(weights - _true_ratio(source)).mean() < 0.3


def test_kliep_takes_the_width_that_is_likely_on_rows_it_has_not_seen() -> None:
    source, target = _gaussians(300)
    fresh = np.random.default_rng(1).normal(size=(5000, 2)) + np.array([SHIFT, 0.0])

    def value(*widths: float) -> float:
        return float(np.log(kliep(source, target, widths=widths).ratio(fresh)).mean())

    assert value(0.25, 1.0, 4.0) == pytest.approx(
        max(value(w) for w in (0.25, 1.0, 4.0)), abs=0.04
    )


def test_the_kliep_ratio_has_mean_one_on_the_source_and_no_negative_part() -> None:
    source, target = _gaussians(200)
    found = kliep(source, target)
    assert found.ratio(source).sum() == pytest.approx(len(source))
    assert (found.alpha >= 0).all()
    assert len(found.centres) == 100


def test_kliep_is_at_the_maximum_that_a_grid_finds_for_two_centres() -> None:
    source = np.array([[0.0], [1.0], [3.0]])
    target = np.array([[0.5], [3.0]])
    found = kliep(source, target, widths=(1.0,))

    def objective(share: float) -> float:
        kernel = np.exp(-np.square(source - target.T) / (2 * found.width**2))
        alpha = np.array([share, 1 - share]) / kernel.mean(axis=0)
        here = np.exp(-np.square(target - target.T) / (2 * found.width**2))
        return float(np.log(here @ alpha).mean())

    best = max(objective(share) for share in np.linspace(0, 1, 2001))
    assert float(np.log(found.ratio(target)).mean()) == pytest.approx(best, abs=1e-3)


def test_kliep_says_when_the_domains_have_nothing_in_common() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AutotransferError, match="nothing in common"):
        kliep(rng.normal(size=(20, 2)) + 1000.0, rng.normal(size=(10, 2)), widths=(0.05,))


def test_equal_weights_count_as_themselves_and_one_heavy_row_as_one() -> None:
    assert effective_number(np.full(7, 0.3)) == pytest.approx(7.0)
    assert effective_number(np.array([1.0, 1e-9, 0.0])) == pytest.approx(1.0)
    assert effective_number(np.array([2.0, 1.0, 1.0])) == pytest.approx(16 / 6)


def test_weights_of_a_few_source_rows_are_refused_with_the_figure() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(400, 2))
    source[:4] += 12.0
    target = rng.normal(size=(50, 2)) + 12.0
    with pytest.raises(AutotransferError, match=r"400 source images count as \d+\.\d"):
        source_weights("kliep", source, target, seed=0)


def test_equal_weights_give_the_unweighted_regression() -> None:
    x, y = _labelled(60)
    found = fit_weighted_logistic(x, y, np.full(60, 0.2), 3)
    wanted = fit_logistic(x, y, 3)
    np.testing.assert_allclose(found.probabilities(x), wanted.probabilities(x), atol=1e-3)


def test_a_row_of_weight_zero_is_as_if_absent() -> None:
    x, y = _labelled(60)
    weights = np.r_[np.ones(40), np.zeros(20)]
    found = fit_weighted_logistic(x, y, weights, 3)
    wanted = fit_weighted_logistic(x[:40], y[:40], np.ones(40), 3)
    np.testing.assert_array_equal(found.weight, wanted.weight)


def test_one_target_error_in_four_weighs_as_the_paper_says() -> None:
    x, labels = np.zeros((4, 1)), np.array([0, 0, 0, 1])  # nothing to learn: it says 0
    vote = tradaboost((x, labels), (x, labels), 2, Boosting(rounds=1))
    np.testing.assert_allclose(vote.weights, np.log(0.75 / 0.25))


def test_the_boosting_of_three_classes_ends_at_two_errors_in_three() -> None:
    x, labels = np.zeros((3, 1)), np.array([0, 1, 2])
    vote = tradaboost((x, labels), (x, labels), 3, Boosting(rounds=10))
    assert len(vote.voters) == 1


def test_only_the_last_half_of_the_rounds_votes() -> None:
    x = np.repeat(4.0 * np.eye(3), 10, axis=0)  # no errors, so no round ends it early
    y = np.repeat(np.arange(3), 10)
    assert len(tradaboost((x, y), (x, y), 3, Boosting(rounds=11)).voters) == 6


def test_tradaboost_beats_pooling_when_half_of_the_source_is_mislabelled() -> None:
    gains = []
    for seed in range(5):
        source, target, test = _half_mislabelled(seed)
        x, y = (np.concatenate(parts) for parts in zip(source, target, strict=True))
        pooled = fit_weighted_logistic(x, y, np.ones(len(y)), 3)
        vote = tradaboost(source, target, 3, Boosting(rounds=30, source_share=0.8))
        hits = [(p.argmax(axis=1) == test[1]).mean() for p in _both(pooled, vote, test[0])]
        gains.append(hits[1] - hits[0])
    assert np.mean(gains) > 0.03


def test_a_vote_is_the_weighted_mean_of_its_heads() -> None:
    sure = LinearHead(np.zeros((2, 1)), np.array([50.0, -50.0]))
    unsure = LinearHead(np.zeros((2, 1)), np.zeros(2))
    vote = Vote((sure, unsure), np.array([3.0, 1.0]))
    np.testing.assert_allclose(vote.probabilities(np.zeros((1, 1))), [[0.875, 0.125]])


def test_a_source_share_of_zero_is_the_probe_of_the_target_alone(task: Task) -> None:
    for weighting in ("density-ratio", "kliep", "tradaboost", "none"):
        found = _fit(task, source_share=0.0, weighting=weighting)
        probe = fit_logistic(task.features(task.train), task.train.labels, 3)
        assert isinstance(found, HeadPredictor)
        np.testing.assert_allclose(found.head.weight, probe.weight, atol=1e-9)


@pytest.mark.parametrize("weighting", ["density-ratio", "kliep", "tradaboost", "none"])
def test_every_weighting_fits_and_comes_back_from_its_state(task: Task, weighting: str) -> None:
    found = _fit(task, weighting=weighting, depth=0.6)
    assert isinstance(found, VotePredictor) == (weighting == "tradaboost")
    tensors, info = found.state()
    again = InstanceWeighting().restore(tensors, info, task.source)
    unseen = shapes(3, 4, seed=5)
    probabilities = found.predict(unseen, task.features)
    np.testing.assert_array_equal(again.predict(unseen, task.features), probabilities)
    assert found.layers is not None
    assert found.layers.stage == 3


def test_classes_are_matched_by_name_whatever_their_order(task: Task) -> None:
    pictures = task.source_images
    assert pictures is not None
    turned = type(pictures)(
        pictures._reader, pictures._indices, 2 - pictures.labels, pictures.class_names[::-1]
    )
    first = _fit(task, weighting="none").predict(task.train, task.features)
    second = _fit(replace(task, source_images=turned), weighting="none")
    np.testing.assert_allclose(second.predict(task.train, task.features), first, atol=1e-12)


def test_other_classes_are_refused_with_both_lists(task: Task) -> None:
    other = replace(task, source_images=shapes(4, 3, seed=1))
    with pytest.raises(InvalidOptionError, match=r"only in the source: direction 3\)"):
        _fit(other)


def test_no_source_pictures_are_refused_in_words(task: Task) -> None:
    with pytest.raises(InvalidOptionError, match="--source-data"):
        _fit(replace(task, source_images=None))


def test_a_large_source_is_thinned_by_class() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    kept = some_of_each(labels, 100, seed=0)
    assert len(set(kept)) == 100
    np.testing.assert_allclose(np.bincount(labels[kept]), [60, 30, 10], atol=1)


def _labelled(n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    y = np.arange(n) % 3
    return rng.normal(size=(n, 4)) + 1.5 * np.eye(3, 4)[y], y


_Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def _half_mislabelled(seed: int) -> tuple[_Rows, _Rows, _Rows]:
    """Return source, target and test; half of the source calls each class by the next one's."""
    rng = np.random.default_rng(seed)

    def draw(n: int) -> _Rows:
        y = rng.integers(0, 3, n)
        return rng.normal(size=(n, 6)) + 2.0 * np.eye(3, 6)[y], y

    x, y = draw(300)
    wrong = rng.random(300) < 0.5
    return (x, np.where(wrong, (y + 1) % 3, y)), draw(30), draw(600)


def _both(pooled: LinearHead, vote: Vote, x: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [pooled.probabilities(x), vote.probabilities(x)]
