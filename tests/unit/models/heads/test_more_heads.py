from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from autotransfer.models.heads import (
    LinearHead,
    fit_discriminant,
    fit_logistic,
    fit_nearest_mean,
    fit_ridge,
)
from autotransfer.models.heads import lda as module
from autotransfer.models.heads.linear import inverse_temperature, with_absent
from autotransfer.models.heads.ridge import leave_one_out

Fit = Callable[..., LinearHead]
HEADS: list[Fit] = [fit_ridge, fit_logistic, fit_discriminant, fit_nearest_mean]


def _classes(
    n: int, d: int, num_classes: int, seed: int, gap: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    means = rng.normal(size=(num_classes, d)) * gap / np.sqrt(d)
    return (means[labels] + rng.normal(size=(n, d))).astype(np.float32), labels


def _correlated(
    n: int, d: int, num_classes: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, labels = _classes(n, d, num_classes, seed)
    return x @ np.random.default_rng(seed + 1).normal(size=(d, d)), labels


def test_discriminant_is_that_of_scikit_learn_where_classes_have_unit_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels = _correlated(150, 12, 3, seed=0)
    for c in range(3):  # then scikit-learn's diagonal is a sphere
        x[labels == c] /= x[labels == c].std(axis=0)
    monkeypatch.setattr(module, "_steepness", lambda *_: 1.0)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, labels)
    found = fit_discriminant(x, labels, 3, standardise=False).probabilities(x)
    np.testing.assert_allclose(found, reference.predict_proba(x), atol=1e-8)


def test_discriminant_is_that_of_scikit_learn_with_the_same_shrinkage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels = _correlated(90, 12, 3, seed=1)
    monkeypatch.setattr(module, "_steepness", lambda *_: 1.0)
    # the sphere of scikit-learn is that of each class, weighted: the same as ours
    monkeypatch.setattr(module, "_intensities", lambda *_: np.full(3, 0.3))
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(x, labels)
    found = fit_discriminant(x, labels, 3, standardise=False).probabilities(x)
    np.testing.assert_allclose(found, reference.predict_proba(x), atol=1e-8)


@pytest.mark.parametrize("d", [4, 30])
def test_the_intensity_is_that_of_ledoit_and_wolf(d: int) -> None:
    rng = np.random.default_rng(d)
    within = rng.normal(size=(40, d)) * np.linspace(0.5, 2.0, d)
    sample = within.T @ within / 40
    sphere = np.trace(sample) / d * np.eye(d)
    noise = np.mean([np.square(np.outer(row, row) - sample).sum() for row in within]) / 40
    expected = noise / np.square(sample - sphere).sum()
    assert expected < 0.99
    found = module._intensities(within, np.zeros(40, dtype=np.int64), 1.0)
    np.testing.assert_allclose(found, [expected], rtol=1e-9)
    theirs = ledoit_wolf_shrinkage(within, assume_centered=True)
    np.testing.assert_allclose(found, [theirs], rtol=1e-9)


def test_two_pictures_a_class_are_shrunk_though_each_pair_looks_free_of_noise() -> None:
    x, labels = _classes(12, 8, 6, seed=3)
    within = x - np.stack([x[labels == c].mean(axis=0) for c in labels])
    assert module._ledoit_wolf(within[labels == 0]) < 1e-3
    assert (module._intensities(within, labels, 1.0) > 0.05).all()


def test_a_discriminant_shrunk_to_a_sphere_is_the_nearest_mean() -> None:
    x, labels = _classes(90, 12, 3, seed=8)
    x *= np.linspace(0.3, 3.0, 12, dtype=np.float32)
    unseen, _ = _classes(500, 12, 3, seed=9)
    nearest = fit_nearest_mean(x, labels, 3, standardise=False).logits(unseen).argmax(axis=1)
    agreement = []
    for strength in (1.0, 1e6):
        head = fit_discriminant(x, labels, 3, regularisation=strength, standardise=False)
        agreement.append((head.logits(unseen).argmax(axis=1) == nearest).mean())
    assert agreement[0] < 0.99 < agreement[1]


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


def test_the_temperature_of_the_nearest_mean_comes_from_means_without_the_picture() -> None:
    x, labels = _classes(24, 6, 3, seed=4)
    scores = np.empty((24, 3))
    for i in range(24):
        kept = np.arange(24) != i
        means = [x[kept & (labels == c)].mean(axis=0, dtype=np.float64) for c in range(3)]
        scores[i] = [-np.square(x[i] - mean).sum() for mean in means]
    head = fit_nearest_mean(x, labels, 3, standardise=False)
    own_means = np.stack([x[labels == c].mean(axis=0, dtype=np.float64) for c in range(3)])
    t = float(head.weight[0, 0] / (2 * own_means[0, 0]))
    losses = [
        -np.log(softmax(s * t * scores, axis=1)[np.arange(24), labels]).mean()
        for s in (0.99, 1.0, 1.01)
    ]
    assert losses[1] < min(losses[0], losses[2])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(6, 20), st.integers(1, 25), st.integers(2, 4))
def test_leave_one_out_of_ridge_equals_refits(seed: int, n: int, d: int, num_classes: int) -> None:
    x, labels = _classes(n, d, num_classes, seed)
    path = leave_one_out(x, labels, num_classes)
    values = x.astype(np.float64)
    for p in range(3, 13, 3):  # the smallest penalties lose digits in the refit itself
        i = seed % n
        kept = np.arange(n) != i
        targets = np.where(labels[kept, None] == np.arange(num_classes), 1.0, -1.0)
        centred = values[kept] - values[kept].mean(axis=0)
        inner = centred.T @ centred + path.penalties[p] * np.eye(d)
        weight = np.linalg.solve(inner, centred.T @ (targets - targets.mean(axis=0)))
        expected = targets.mean(axis=0) + (values[i] - values[kept].mean(axis=0)) @ weight
        np.testing.assert_allclose(path.scores[p, i], expected, atol=1e-8)


def test_leave_one_out_of_the_smallest_penalty_claims_no_more_than_refits_reach() -> None:
    x, labels = _classes(50, 64, 10, seed=0)
    path = leave_one_out(x, labels, 10)
    claimed = (path.scores[0].argmax(axis=1) == labels).mean()
    values = x.astype(np.float64)
    right = []
    for i in range(50):
        kept = np.arange(50) != i
        targets = np.where(labels[kept, None] == np.arange(10), 1.0, -1.0)
        mean = values[kept].mean(axis=0)
        inner = (values[kept] - mean) @ (values[kept] - mean).T + path.penalties[0] * np.eye(49)
        dual = np.linalg.solve(inner, targets - targets.mean(axis=0))
        score = targets.mean(axis=0) + (values[i] - mean) @ (values[kept] - mean).T @ dual
        right.append(score.argmax() == labels[i])
    assert claimed == np.mean(right)


@pytest.mark.parametrize("fit", HEADS)
def test_one_picture_a_class_is_enough(fit: Fit) -> None:
    x = np.eye(3, 5, dtype=np.float32)
    found = fit(x, np.arange(3), 3).probabilities(x)
    np.testing.assert_array_equal(found.argmax(axis=1), [0, 1, 2])
    between = fit(x, np.arange(3), 3).probabilities((x[:1] + x[1:2]) / 2)
    np.testing.assert_allclose(between[0, 0], between[0, 1], atol=1e-4)


@pytest.mark.parametrize("fit", HEADS)
def test_two_classes_get_two_columns(fit: Fit) -> None:
    x, labels = _classes(40, 6, 2, seed=12, gap=6.0)
    found = fit(x, labels, 2).probabilities(x)
    assert found.shape == (40, 2)
    assert (found.argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize("fit", HEADS)
@pytest.mark.parametrize("standardise", [True, False])
def test_a_class_without_a_picture_is_never_predicted(fit: Fit, *, standardise: bool) -> None:
    x, labels = _classes(60, 6, 3, seed=3)
    wide = np.vstack([x, np.zeros((1, 6)), 1e4 * x[:5]])
    found = fit(x, 2 * labels, 6, standardise=standardise).probabilities(wide)
    assert found.shape == (66, 6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found[:, [1, 3, 5]].max() < 1e-12


@pytest.mark.parametrize("fit", HEADS)
def test_an_absent_class_does_not_win_the_middle_between_far_classes(fit: Fit) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    means = np.array([[300.0, 0.0], [-300.0, 0.0], [0.0, 400.0]])
    x = means[labels] + rng.normal(size=(30, 2))
    found = fit(x, labels, 5).probabilities(means.mean(axis=0, keepdims=True))
    assert found[0, 3:].max() < 1e-12


@pytest.mark.parametrize("fit", [fit_discriminant, fit_nearest_mean, fit_ridge])
def test_a_class_of_one_picture_does_not_spoil_how_sure_the_others_are(fit: Fit) -> None:
    rng = np.random.default_rng(0)
    labels = np.append(np.arange(60) % 3, 3)
    x = rng.normal(size=(61, 40)) + np.eye(4, 40)[labels]
    tested = np.arange(3000) % 3
    unseen = rng.normal(size=(3000, 40)) + np.eye(4, 40)[tested]
    found = fit(x, labels, 4).probabilities(unseen)
    accuracy = (found.argmax(axis=1) == tested).mean()
    assert abs(found.max(axis=1).mean() - accuracy) < 0.08


def test_absent_classes_stay_thirty_below_the_mean_of_the_others() -> None:
    rng = np.random.default_rng(0)
    few = LinearHead(rng.normal(size=(2, 3)), rng.normal(size=2))
    x = rng.normal(size=(5, 3))
    logits = with_absent(few, np.array([0, 3]), 4).logits(x)
    np.testing.assert_allclose(logits[:, [0, 3]], few.logits(x))
    expected = few.logits(x).mean(axis=1) - 30
    np.testing.assert_allclose(logits[:, 1], expected)
    np.testing.assert_allclose(logits[:, 2], expected)
    assert with_absent(few, np.array([0, 1]), 2) is few


@pytest.mark.parametrize("fit", HEADS)
def test_the_features_are_left_as_they_are(fit: Fit) -> None:
    x, labels = _classes(30, 5, 3, seed=2)
    for features in (x, x.astype(np.float64)):
        before = features.copy()
        for standardise in (True, False):
            fit(features, labels, 3, standardise=standardise)
        np.testing.assert_array_equal(features, before)


@pytest.mark.parametrize("fit", HEADS)
@pytest.mark.parametrize("d", [4, 600])
def test_features_that_say_nothing_give_finite_probabilities(fit: Fit, d: int) -> None:
    found = fit(np.ones((6, d), dtype=np.float32), np.arange(6) % 2, 2).probabilities(
        np.ones((1, d))
    )
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


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
    closed_form = fit is not fit_logistic  # which stops its solver early
    np.testing.assert_allclose(renamed[:, order], plain, atol=1e-5 if closed_form else 2e-2)


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
