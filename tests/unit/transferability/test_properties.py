from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotransfer.errors import DataWarning, UndefinedScoreError
from autotransfer.transferability import ESTIMATORS, Statistics, TransferabilityEstimator
from tests.unit.transferability.samples import Sample, draw

CHEAP = tuple(e for e in ESTIMATORS if e.name not in ("n-leep", "probe-cv"))
BY_NAME = {estimator.name: estimator for estimator in ESTIMATORS}
SHAPES = st.sampled_from([(60, 7, 3), (24, 50, 3), (40, 39, 2), (30, 30, 4)])
SEEDS = st.integers(0, 2**31 - 1)
# the others depend on the axes or on the width, by their definition
ROTATION_INVARIANT = (
    "logme",
    "h-score",
    "regularised-h-score",
    "transrate",
    "knn",
    "ridge-loo",
    "lfc",
    "rankme",
)
BLIND_TO_ZERO_COLUMNS = ("logme", "h-score", "transrate", "knn", "ridge-loo", "lfc", "rankme")
QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def few_images_are_no_news() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield


def scores(sample: Sample, names: tuple[str, ...] | None = None) -> dict[str, float]:
    statistics = Statistics.of(*sample.arguments())
    chosen = CHEAP if names is None else [BY_NAME[name] for name in names]
    return {estimator.name: estimator.score(statistics) for estimator in chosen}


@QUICK
@given(SEEDS, SHAPES)
def test_rotation_changes_nothing(seed: int, shape: tuple[int, int, int]) -> None:
    sample = draw(seed, *shape)
    d = shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    turned = Sample(sample.features @ turn, sample.labels, sample.probabilities)
    assert scores(turned, ROTATION_INVARIANT) == pytest.approx(
        scores(sample, ROTATION_INVARIANT), rel=1e-6, abs=1e-9
    )


@QUICK
@given(SEEDS, SHAPES)
def test_names_of_classes_change_nothing(seed: int, shape: tuple[int, int, int]) -> None:
    sample = draw(seed, *shape)
    renamed = np.array([100, -7, 3, 55])[sample.labels]  # another order, with holes
    again = Sample(sample.features, renamed, sample.probabilities)
    assert scores(again) == pytest.approx(scores(sample), rel=1e-9, abs=1e-12)


def test_labels_may_be_strings(sample: Sample) -> None:
    named = np.array(["bee", "ant", "cat"])[sample.labels]
    found = BY_NAME["logme"].score(Statistics.of(sample.features, named))
    assert found == pytest.approx(BY_NAME["logme"].score(Statistics.of(*sample.arguments())))


@QUICK
@given(SEEDS, SHAPES, st.integers(1, 60))
def test_zero_columns_change_nothing(seed: int, shape: tuple[int, int, int], columns: int) -> None:
    sample = draw(seed, *shape)
    wider = np.hstack([sample.features, np.zeros((shape[0], columns))])
    again = Sample(wider, sample.labels, sample.probabilities)
    assert scores(again, BLIND_TO_ZERO_COLUMNS) == pytest.approx(
        scores(sample, BLIND_TO_ZERO_COLUMNS), rel=1e-6, abs=1e-9
    )


@QUICK
@given(SEEDS, SHAPES)
def test_float32_equals_float64(seed: int, shape: tuple[int, int, int]) -> None:
    sample = draw(seed, *shape)
    single = sample.features.astype(np.float32)
    names = tuple(e.name for e in CHEAP if e.name not in ("knn", "parc", "ridge-loo"))
    found = {n: BY_NAME[n].score(Statistics.of(single, *sample.arguments()[1:])) for n in names}
    assert found == pytest.approx(scores(sample, names), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)
@pytest.mark.parametrize("shape", [(60, 7), (24, 50)])
def test_one_image_in_a_class_is_fine(
    estimator: TransferabilityEstimator, shape: tuple[int, int]
) -> None:
    sample = draw(3, *shape)
    labels = sample.labels.copy()
    labels[5] = 9
    score = estimator.score(Statistics.of(sample.features, labels, sample.probabilities))
    assert np.isfinite(score)


@pytest.mark.parametrize("estimator", CHEAP, ids=lambda estimator: estimator.name)
@pytest.mark.parametrize("shape", [(60, 7), (24, 50)])
def test_duplicate_rows_give_a_finite_score(
    estimator: TransferabilityEstimator, shape: tuple[int, int]
) -> None:
    sample = draw(4, *shape)
    twice = [np.concatenate([array, array]) for array in sample.arguments()]
    assert np.isfinite(estimator.score(Statistics.of(*twice)))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)
def test_no_score_changes_its_input(estimator: TransferabilityEstimator, sample: Sample) -> None:
    before = [array.copy() for array in sample.arguments()]
    statistics = Statistics.of(*sample.arguments())
    gram = statistics.gram.copy()
    first = estimator.score(statistics)
    for array, copy in zip(sample.arguments(), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(statistics.gram, gram)
    assert estimator.score(statistics) == first


@pytest.mark.parametrize("name", [e.name for e in ESTIMATORS if e.name != "rankme"])
def test_one_class_is_undefined(name: str, sample: Sample) -> None:
    single = Statistics.of(sample.features, np.zeros(60, dtype=int), sample.probabilities)
    with pytest.raises(UndefinedScoreError, match="at least two classes"):
        BY_NAME[name].score(single)


@pytest.mark.parametrize(
    "name", [e.name for e in ESTIMATORS if e.name not in ("rankme", "leep", "nce")]
)
@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678])
@pytest.mark.parametrize("d", [5, 100])
def test_constant_features_are_undefined(name: str, value: float, d: int) -> None:
    flat = Statistics.of(np.full((30, d), value, dtype=np.float32), np.arange(30) % 3)
    with pytest.raises(UndefinedScoreError, match="the same for all"):
        BY_NAME[name].score(flat)


def test_every_score_prefers_classes_that_are_apart() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 3
    noise = generator.normal(size=(120, 6))
    apart = noise + 4 * np.eye(3, 6)[labels]
    sharp = 0.9 * np.eye(3)[labels] + 0.1 / 3
    vague = np.full((120, 3), 1 / 3)
    near, far = Statistics.of(noise, labels, vague), Statistics.of(apart, labels, sharp)
    for estimator in ESTIMATORS:
        if estimator.name != "rankme":
            assert estimator.score(far) > estimator.score(near), estimator.name
