from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.heads import fit_logistic, fit_ridge
from autotransfer.models.heads.linear import LinearHead, Standardisation
from autotransfer.models.heads.ridge import leave_one_out


def _data(n: int, d: int, *, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 3
    return rng.normal(size=(n, d)) + np.eye(3, d)[labels], labels


@pytest.mark.parametrize(("n", "d"), [(30, 8), (18, 40)])
def test_leave_one_out_scores_equal_refits_without_the_picture(n: int, d: int) -> None:
    features, labels = _data(n, d)
    path = leave_one_out(features, labels, 3)
    for penalty, scores in zip(path.penalties[::4], path.scores[::4], strict=True):
        for left_out in range(n):
            kept = np.arange(n) != left_out
            targets = np.where(labels[kept, None] == np.arange(3), 1.0, -1.0)
            mean, bias = features[kept].mean(axis=0), targets.mean(axis=0)
            centred = features[kept] - mean
            weight = np.linalg.solve(
                centred.T @ centred + penalty * np.eye(d), centred.T @ (targets - bias)
            )
            expected = bias + (features[left_out] - mean) @ weight
            np.testing.assert_allclose(scores[left_out], expected, atol=1e-8)


@pytest.mark.parametrize("fit", [fit_ridge, fit_logistic])
def test_probabilities_sum_to_one_and_find_separable_classes(fit: object) -> None:
    features, labels = _data(60, 5)
    head = fit(10 * features, labels, 3)  # type: ignore[operator]
    probabilities = head.probabilities(10 * features)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.6


def test_a_class_without_a_picture_gets_next_to_no_probability() -> None:
    features, labels = _data(30, 4)
    head = fit_logistic(features, labels, 5)
    assert head.probabilities(features)[:, 3:].max() < 1e-6


def test_one_picture_a_class_still_gives_a_ridge_head() -> None:
    features, labels = _data(3, 6)
    head = fit_ridge(features, labels, 3)
    assert (head.probabilities(features).argmax(axis=1) == labels).all()


def test_a_constant_feature_changes_no_probability() -> None:
    features, labels = _data(30, 4)
    wider = np.hstack([features, np.full((30, 1), 7.0)])
    np.testing.assert_allclose(
        fit_ridge(wider, labels, 3).probabilities(wider),
        fit_ridge(features, labels, 3).probabilities(features),
        atol=1e-6,
    )


def test_folding_a_standardisation_reads_raw_features() -> None:
    features, _ = _data(20, 4)
    scale = Standardisation.of(features)
    head = LinearHead(np.arange(12.0).reshape(3, 4), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(
        scale.fold_into(head).logits(features), head.logits(scale.apply(features)), atol=1e-10
    )
