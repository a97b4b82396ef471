from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from autotransfer.errors import DataWarning, UndefinedScoreError
from autotransfer.transferability import Statistics
from autotransfer.transferability.scores.gbc import gbc, gbc_diagonal
from autotransfer.transferability.scores.h_score import h_score
from autotransfer.transferability.scores.knn import knn
from autotransfer.transferability.scores.leep import leep
from autotransfer.transferability.scores.lfc import lfc
from autotransfer.transferability.scores.logme import logme
from autotransfer.transferability.scores.nce import nce
from autotransfer.transferability.scores.parc import parc
from autotransfer.transferability.scores.probe_cv import folds_of
from autotransfer.transferability.scores.rankme import rankme
from autotransfer.transferability.scores.regularised_h_score import regularised_h_score, shrinkage
from autotransfer.transferability.scores.ridge_loo import leave_one_out, ridge_loo
from autotransfer.transferability.scores.sfda import sfda
from autotransfer.transferability.scores.transrate import transrate
from tests.unit.transferability.samples import Sample, draw

Array = NDArray[np.float64]


def of(sample: Sample) -> Statistics:
    return Statistics.of(*sample.arguments())


def one_hot(labels: NDArray[np.int64]) -> Array:
    return np.eye(int(labels.max()) + 1)[labels]


def log_evidence(features: Array, y: Array, alpha: float, beta: float) -> float:
    """The Gaussian density of the labels, written out: y ~ N(0, I / beta + FF' / alpha)."""
    n = len(y)
    covariance = np.eye(n) / beta + features @ features.T / alpha
    return float(stats.multivariate_normal(np.zeros(n), covariance).logpdf(y)) / n


@pytest.mark.parametrize(("n", "d"), [(40, 5), (20, 30)])
def test_logme_is_the_best_log_evidence_of_a_grid(n: int, d: int) -> None:
    sample = draw(5, n=n, d=d)
    grid = np.exp(np.arange(-4.0, 8.0, 0.1))
    best = []
    for y in one_hot(sample.labels).T:
        # on a grid of prior precisions, the noise precision follows from the best nearby
        values = [
            max(log_evidence(sample.features, y, alpha, beta) for beta in grid[::2])
            for alpha in grid[::4]
        ]
        best.append(max(values))
    assert logme(of(sample)) == pytest.approx(np.mean(best), abs=5e-3)


def test_logme_of_rank_deficient_features_is_that_of_their_span(sample: Sample) -> None:
    doubled = np.hstack([sample.features, sample.features]) / np.sqrt(2)
    assert logme(Statistics.of(doubled, sample.labels)) == pytest.approx(logme(of(sample)))


def test_h_score_equals_the_traces_written_out(sample: Sample) -> None:
    overall = np.cov(sample.features, rowvar=False)
    rows = np.stack([sample.features[sample.labels == c].mean(axis=0) for c in range(3)])[
        sample.labels
    ]
    between = np.cov(rows, rowvar=False)
    expected = float(np.trace(np.linalg.pinv(overall) @ between))
    assert h_score(of(sample)) == pytest.approx(expected)


def test_h_score_warns_where_it_is_constant(wide_sample: Sample) -> None:
    with pytest.warns(DataWarning, match="24 images and 50 features"):
        found = h_score(of(wide_sample))
    assert found == pytest.approx(2.0)  # K - 1


@pytest.mark.parametrize(("n", "d"), [(60, 7), (24, 50), (30, 30)])
def test_shrinkage_and_regularised_h_score_equal_scikit_learn(n: int, d: int) -> None:
    sample = draw(6, n=n, d=d)
    reference = LedoitWolf().fit(sample.features)
    assert shrinkage(of(sample)) == pytest.approx(reference.shrinkage_)
    rows = np.stack([sample.features[sample.labels == c].mean(axis=0) for c in range(3)])[
        sample.labels
    ]
    expected = (1 - reference.shrinkage_) * np.trace(
        np.linalg.solve(reference.covariance_, np.cov(rows, rowvar=False))
    )
    assert regularised_h_score(of(sample)) == pytest.approx(float(expected))


def test_leep_by_hand() -> None:
    # P(y | z): source class 0 has mass .9 + .7 of class 0 and .2 of class 1, out of 1.8
    theta = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    by_class = [np.array([0, 1]), np.array([2])]
    first, second = 1.6 / 1.8, 0.4 / 1.2
    expected = (
        np.log(0.9 * first + 0.1 * second)
        + np.log(0.7 * first + 0.3 * second)
        + np.log(0.2 * (1 - first) + 0.8 * (1 - second))
    ) / 3
    assert leep(theta, by_class) == pytest.approx(expected)


def test_a_source_class_without_mass_changes_no_leep() -> None:
    theta = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    by_class = [np.array([0, 1]), np.array([2])]
    padded = np.insert(theta, 1, 0.0, axis=1)
    assert leep(padded, by_class) == pytest.approx(leep(theta, by_class))


def test_nce_by_hand() -> None:
    # z = 0 holds y = 0, 0, 1; z = 1 holds y = 1
    found = nce(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx((2 * np.log(2 / 3) + np.log(1 / 3)) / 4)


def test_nce_is_zero_where_every_image_has_its_own_source_class() -> None:
    assert nce(np.arange(5), np.array([0, 1, 0, 1, 2])) == 0


@pytest.mark.parametrize(("n", "d"), [(60, 7), (24, 50)])
@pytest.mark.parametrize("weighting", ["size", "equal"])
def test_transrate_equals_the_determinants_written_out(n: int, d: int, weighting: str) -> None:
    sample = draw(7, n=n, d=d)
    labels = np.where(np.arange(n) < 5, 0, sample.labels)  # classes of different sizes
    centred = sample.features - sample.features.mean(axis=0)

    def rate(rows: Array) -> float:
        inner = np.eye(d) + rows.T @ rows / (len(rows) * 1e-4)
        return float(np.linalg.slogdet(inner)[1]) / 2

    classes = [centred[labels == c] for c in range(3)]
    weights = [len(rows) / n if weighting == "size" else 1 / 3 for rows in classes]
    expected = rate(centred) - sum(w * rate(r) for w, r in zip(weights, classes, strict=True))
    found = transrate(
        Statistics.of(sample.features, labels), "size" if weighting == "size" else "equal"
    )
    assert found == pytest.approx(expected)


def bhattacharyya(m: Array, s: Array, m2: Array, s2: Array) -> float:
    middle = (s + s2) / 2
    log_ratio = np.log(middle).sum() - (np.log(s).sum() + np.log(s2).sum()) / 2
    return float(((m - m2) ** 2 / middle).sum() / 8 + log_ratio / 2)


def test_gbc_equals_the_overlaps_written_out(sample: Sample) -> None:
    classes = [sample.features[sample.labels == c] for c in range(3)]
    diagonal, spherical = 0.0, 0.0
    for a, b in itertools.permutations(classes, 2):
        va, vb = a.var(axis=0), b.var(axis=0)
        diagonal -= np.exp(-bhattacharyya(a.mean(0), va, b.mean(0), vb))
        flat_a, flat_b = np.full(7, va.mean()), np.full(7, vb.mean())
        spherical -= np.exp(-bhattacharyya(a.mean(0), flat_a, b.mean(0), flat_b))
    assert gbc_diagonal(of(sample)) == pytest.approx(diagonal)
    assert gbc(of(sample)) == pytest.approx(spherical)


def test_parc_is_a_spearman_correlation(sample: Sample) -> None:
    standardised = (sample.features - sample.features.mean(0)) / sample.features.std(0)
    alike = np.corrcoef(standardised)
    pairs = np.triu_indices(60, 1)
    different = (sample.labels[:, None] != sample.labels)[pairs].astype(float)
    expected = 100 * stats.spearmanr(1 - alike[pairs], different).statistic
    assert parc(of(sample)) == pytest.approx(expected)


def test_parc_needs_pairs_of_one_class(sample: Sample) -> None:
    with pytest.raises(UndefinedScoreError, match="two images of one class"):
        parc(Statistics.of(sample.features[:3], [0, 1, 2]))


def test_sfda_is_one_wherever_images_are_fewer_than_features(wide_sample: Sample) -> None:
    assert sfda(of(wide_sample)) == pytest.approx(1.0)


def test_sfda_of_classes_in_one_place_is_the_prior() -> None:
    # mirrored pairs: both classes have mean zero and the same covariance
    generator = np.random.default_rng(0)
    half = generator.normal(size=(20, 3))
    features = np.concatenate([half, -half, half, -half])
    assert sfda(Statistics.of(features, np.repeat([0, 1], 40))) == pytest.approx(0.5)


def test_knn_equals_scikit_learn_without_the_image_itself() -> None:
    sample = draw(8, n=90, d=4)
    hits = 0
    for i in range(90):
        rest = np.arange(90) != i
        nearest = KNeighborsClassifier(1).fit(sample.features[rest], sample.labels[rest])
        hits += nearest.predict(sample.features[i : i + 1])[0] == sample.labels[i]
    assert knn(of(sample)) == pytest.approx(hits / 90)


def test_knn_over_more_rows_than_one_block() -> None:
    labels = np.arange(2600) // 2
    features = labels[:, None] * np.array([[10.0, 1.0]])
    assert knn(Statistics.of(features, labels)) == 1.0  # each image beside its twin


def test_knn_is_undefined_where_no_class_has_two_images() -> None:
    with pytest.raises(UndefinedScoreError, match="no class has two"):
        knn(Statistics.of(np.arange(6.0).reshape(3, 2), [0, 1, 2]))


@pytest.mark.parametrize(("n", "d"), [(30, 4), (15, 40)])
def test_ridge_leave_one_out_equals_fits_without_each_image(n: int, d: int) -> None:
    sample = draw(9, n=n, d=d)
    targets = one_hot(sample.labels)
    expected = np.empty_like(targets)
    for i in range(n):
        rest = np.arange(n) != i
        fit = Ridge(alpha=3.0, solver="cholesky").fit(sample.features[rest], targets[rest])
        expected[i] = fit.predict(sample.features[i : i + 1])[0]
    (found,) = leave_one_out(of(sample), np.array([3.0]))
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_ridge_loo_of_classes_far_apart_is_one() -> None:
    labels = np.arange(30) % 3
    features = 50 * np.eye(3)[labels] + np.random.default_rng(0).normal(size=(30, 3))
    assert ridge_loo(Statistics.of(features, labels)) == 1.0


def test_lfc_equals_the_kernels_written_out(sample: Sample) -> None:
    centred = sample.features - sample.features.mean(0)
    indicator = one_hot(sample.labels) - one_hot(sample.labels).mean(0)
    features, labels = centred @ centred.T, indicator @ indicator.T
    expected = (features * labels).sum() / np.linalg.norm(features) / np.linalg.norm(labels)
    assert lfc(of(sample)) == pytest.approx(float(expected))


def test_rankme_of_equal_directions_is_their_number() -> None:
    features = np.concatenate([3 * np.eye(4), -3 * np.eye(4)])
    assert rankme(Statistics.of(features, np.arange(8))) == pytest.approx(4.0, rel=1e-5)


def test_rankme_needs_no_second_class_but_some_feature() -> None:
    assert rankme(Statistics.of(np.eye(3), np.zeros(3, dtype=int))) == pytest.approx(3.0, rel=1e-5)
    with pytest.raises(UndefinedScoreError, match="zero"):
        rankme(Statistics.of(np.zeros((3, 2)), [0, 1, 1]))


def test_folds_are_stratified_and_single_images_always_train() -> None:
    labels = np.array([0] * 10 + [1] * 5 + [2])
    folds = folds_of(Statistics.of(np.arange(16.0)[:, None], labels))
    assert folds[-1] == -1
    np.testing.assert_array_equal(np.bincount(folds[:10]), [2] * 5)
    np.testing.assert_array_equal(np.bincount(folds[10:15]), [1] * 5)
