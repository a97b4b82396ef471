from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from autotransfer.heads import (
    LinearHead,
    fit_discriminant,
    fit_logistic,
    fit_nearest_mean,
    fit_ridge,
)
from autotransfer.heads import discriminant as module
from autotransfer.heads.linear import inverse_temperature

Fit = Callable[..., LinearHead]
HEADS: list[Fit] = [fit_ridge, fit_logistic, fit_discriminant, fit_nearest_mean]


def _classes(
    n: int, d: int, num_classes: int, seed: int, gap: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    means = rng.normal(size=(num_classes, d)) * gap / np.sqrt(d)
    return (means[labels] + rng.normal(size=(n, d))).astype(np.float32), labels


def test_discriminant_is_that_of_scikit_learn_with_the_same_shrinkage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels = _classes(90, 12, 3, seed=0)
    monkeypatch.setattr(module, "_shrinkage", lambda _within, _regularisation: 0.3)
    monkeypatch.setattr(module, "_steepness", lambda *_: 1.0)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(x, labels)
    found = fit_discriminant(x, labels, 3, standardise=False).probabilities(x)
    np.testing.assert_allclose(found, reference.predict_proba(x.astype(np.float64)), atol=1e-5)


def test_discriminant_keeps_what_matters_of_many_features() -> None:
    x, labels = _classes(300, 1280, 5, seed=1, gap=9.0)
    head = fit_discriminant(x[:200], labels[:200], 5)
    assert (head.logits(x[200:]).argmax(axis=1) == labels[200:]).mean() > 0.95


def test_a_logistic_head_of_few_rows_is_that_of_all_features() -> None:
    x, labels = _classes(40, 200, 3, seed=2)
    reference = LogisticRegression(C=0.1, max_iter=3000, tol=1e-8).fit(x, labels)
    found = fit_logistic(x, labels, 3, standardise=False).probabilities(x)
    np.testing.assert_allclose(found, reference.predict_proba(x), atol=2e-3)


def test_the_nearest_mean_is_the_nearest_mean() -> None:
    x = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 0.0], [12.0, 0.0]], dtype=np.float32)
    head = fit_nearest_mean(x, np.array([0, 0, 1, 1]), 2, standardise=False)
    probabilities = head.probabilities(np.array([[5.9, 3.0], [6.1, -3.0], [6.0, 1.0]]))
    assert probabilities[0, 0] > 0.5
    assert probabilities[1, 1] > 0.5
    np.testing.assert_allclose(probabilities[2], [0.5, 0.5], atol=1e-9)


def test_one_picture_a_class_is_enough_for_the_nearest_mean_and_lda() -> None:
    x = np.eye(3, 5, dtype=np.float32)
    for fit in (fit_nearest_mean, fit_discriminant):
        found = fit(x, np.arange(3), 3).probabilities(x)
        np.testing.assert_array_equal(found.argmax(axis=1), [0, 1, 2])


@pytest.mark.parametrize("fit", HEADS)
def test_a_class_without_a_picture_is_never_predicted(fit: Fit) -> None:
    x, labels = _classes(60, 6, 3, seed=3)
    found = fit(x, 2 * labels, 6).probabilities(x)
    assert found.shape == (60, 6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found[:, [1, 3, 5]].max() < 0.1
    assert (found.argmax(axis=1) % 2 == 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([fit_discriminant, fit_nearest_mean, fit_ridge]))
def test_a_rotation_of_the_features_changes_no_probability(seed: int, fit: Fit) -> None:
    x, labels = _classes(30, 5, 3, seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    plain = fit(x, labels, 3, standardise=False).probabilities(x)
    turned = fit(x @ turn, labels, 3, standardise=False).probabilities(x @ turn)
    np.testing.assert_allclose(turned, plain, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(HEADS))
def test_renaming_the_classes_renames_the_columns(seed: int, fit: Fit) -> None:
    x, labels = _classes(30, 4, 3, seed)
    order = np.random.default_rng(seed).permutation(3)
    plain = fit(x, labels, 3).probabilities(x)
    renamed = fit(x, order[labels], 3).probabilities(x)
    np.testing.assert_allclose(renamed[:, order], plain, atol=2e-2)


@pytest.mark.parametrize("fit", [fit_discriminant, fit_nearest_mean, fit_ridge])
def test_probabilities_are_as_sure_as_they_are_right(fit: Fit) -> None:
    x, labels = _classes(3000, 20, 4, seed=5, gap=3.0)
    head = fit(x[:300], labels[:300], 4)
    found = head.probabilities(x[300:])
    right = found.argmax(axis=1) == labels[300:]
    assert abs(found.max(axis=1).mean() - right.mean()) < 0.06


def test_the_temperature_undoes_a_factor() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 3)) * 2
    drawn = rng.random(4000)[:, None] < softmax(scores, axis=1).cumsum(axis=1)
    assert inverse_temperature(scores / 5, drawn.argmax(axis=1)) == pytest.approx(5.0, rel=0.1)


def test_more_regularisation_makes_heads_less_sure() -> None:
    x, labels = _classes(80, 10, 3, seed=7)
    for fit in (fit_ridge, fit_logistic, fit_nearest_mean):
        sure = fit(x, labels, 3, regularisation=0.01).probabilities(x).max(axis=1).mean()
        flat = fit(x, labels, 3, regularisation=1000.0).probabilities(x).max(axis=1).mean()
        assert sure > flat, fit.__name__
