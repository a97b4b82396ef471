from __future__ import annotations

import numpy as np
import pytest

from autotransfer.errors import InvalidTargetError, UndefinedScoreError
from autotransfer.transferability import Statistics
from tests.unit.transferability.samples import Sample


def test_moments_equal_those_written_out(sample: Sample) -> None:
    statistics = Statistics.of(*sample.arguments())
    centred = sample.features - sample.features.mean(axis=0)
    np.testing.assert_allclose(statistics.gram, centred.T @ centred, atol=1e-10)
    assert statistics.trace == pytest.approx(float((centred**2).sum()))
    assert statistics.fourth_moment == pytest.approx(float(((centred**2).sum(1) ** 2).sum()))
    assert statistics.gram_norm == pytest.approx(float(np.linalg.norm(centred.T @ centred)))
    np.testing.assert_array_equal(statistics.counts, [20, 20, 20])
    for c in range(3):
        np.testing.assert_allclose(
            statistics.class_means[c], centred[sample.labels == c].mean(axis=0), atol=1e-12
        )


def test_few_images_are_held_by_their_own_products(wide_sample: Sample) -> None:
    statistics = Statistics.of(*wide_sample.arguments())
    centred = wide_sample.features - wide_sample.features.mean(axis=0)
    assert statistics.is_dual
    assert statistics.gram.shape == (24, 24)
    np.testing.assert_allclose(statistics.gram, centred @ centred.T, atol=1e-10)
    assert statistics.spectrum.values.shape == (23,)  # centring takes one rank


def test_coordinates_keep_all_distances(sample: Sample, wide_sample: Sample) -> None:
    for drawn in (sample, wide_sample):
        statistics = Statistics.of(*drawn.arguments())
        centred = drawn.features - drawn.features.mean(axis=0)
        products = statistics.coordinates @ statistics.coordinates.T
        np.testing.assert_allclose(products, centred @ centred.T, atol=1e-9)


def test_uncentred_values_are_squared_singular_values(sample: Sample, wide_sample: Sample) -> None:
    for drawn in (sample, wide_sample):
        values = Statistics.of(*drawn.arguments()).uncentred_values
        expected = np.linalg.svd(drawn.features, compute_uv=False)[::-1] ** 2
        np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_the_tridiagonal_form_solves_the_shifted_system(sample: Sample) -> None:
    statistics = Statistics.of(*sample.arguments())
    form = statistics.tridiagonal
    gram = sample.features.T @ sample.features
    sums = sample.features[sample.labels == 1].sum(axis=0)
    direct = np.linalg.solve(gram + 2.5 * np.eye(7), sums)
    solved = form.solve(2.5, 1)
    assert float(solved @ solved) == pytest.approx(float(direct @ direct))
    assert float(solved @ form.turned[:, 1]) == pytest.approx(float(direct @ sums))


def test_single_precision_rows_are_not_copied() -> None:
    features = np.ones((4, 3), dtype=np.float32)
    assert np.shares_memory(Statistics.of(features, [0, 1, 0, 1]).rows, features)
    assert Statistics.of(features.astype(np.float16), [0, 1, 0, 1]).rows.dtype == np.float32


def test_whole_numbers_are_features_too() -> None:
    assert Statistics.of([[1, 2], [3, 4]], ["a", "b"]).rows.dtype == np.float64


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.ones(3), [0, 1, 2], r"must be a matrix .* got shape \(3,\)"),
        (np.ones((0, 3)), [], "empty"),
        (np.ones((3, 0)), [0, 1, 2], "empty"),
        (np.array([["a"], ["b"]]), [0, 1], "real numbers"),
        (np.ones((3, 2)), [0, 1], "one for each of the 3 images"),
        (np.ones((3, 2)), [0.0, 0.5, 1.0], "fractions"),
        (np.ones((3, 2)), [0.0, np.nan, 1.0], "NaN"),
    ],
)
def test_unusable_input_is_refused(features: object, labels: object, message: str) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        Statistics.of(features, labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_the_place_of_an_infinite_feature_is_named(value: float) -> None:
    features = np.ones((4, 3), dtype=np.float32)
    features[2, 1] = value
    with pytest.raises(ValueError, match=r"1 of 4 images .* image 2, feature 1"):
        Statistics.of(features, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.ones((3, 2)) / 2, "must be a matrix"),
        (np.ones((4, 2)), "sum to one"),
        (np.array([[1.5, -0.5]] * 4), "non-negative"),
        (np.full((4, 2), np.nan), "non-negative"),
    ],
)
def test_outputs_that_are_no_probabilities_are_refused(
    probabilities: np.ndarray[tuple[int, int], np.dtype[np.float64]], message: str
) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        Statistics.of(np.ones((4, 3)), [0, 1, 0, 1], probabilities)


def test_half_precision_probabilities_are_taken() -> None:
    halves = np.full((4, 1000), 1e-3, dtype=np.float16)
    assert Statistics.of(np.ones((4, 3)), [0, 1, 0, 1], halves).probabilities is not None


def test_a_score_without_its_head_says_so(sample: Sample) -> None:
    with pytest.raises(UndefinedScoreError, match="source's head"):
        Statistics.of(sample.features, sample.labels).require_probabilities("leep")
