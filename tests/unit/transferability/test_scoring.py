from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from autotransfer.errors import DataWarning, UndefinedScoreError, UnknownNameError
from autotransfer.transferability import ESTIMATORS, score_features
from tests.conftest import REPOSITORY
from tests.unit.transferability.samples import Sample

NAMES = [
    "logme",
    "h-score",
    "regularised-h-score",
    "leep",
    "nce",
    "n-leep",
    "transrate",
    "gbc",
    "gbc-diagonal",
    "parc",
    "sfda",
    "knn",
    "ridge-loo",
    "probe-cv",
    "lfc",
    "rankme",
]


def test_the_names_are_those_of_the_documentation() -> None:
    assert [estimator.name for estimator in ESTIMATORS] == NAMES
    documented = (REPOSITORY / "docs" / "estimators.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in documented


def test_all_defined_scores_are_returned(sample: Sample) -> None:
    with_head = score_features(*sample.arguments()[:2], source_probabilities=sample.probabilities)
    assert list(with_head) == NAMES
    without = score_features(sample.features, sample.labels)
    assert list(without) == [name for name in NAMES if name not in ("leep", "nce")]


def test_named_scores_come_in_the_order_asked_for(sample: Sample) -> None:
    found = score_features(sample.features, sample.labels, estimators=["knn", "logme"])
    assert list(found) == ["knn", "logme"]


def test_a_named_score_that_is_undefined_raises(sample: Sample) -> None:
    with pytest.raises(UndefinedScoreError, match="source's head"):
        score_features(sample.features, sample.labels, estimators=["knn", "leep"])


def test_an_unknown_name_is_told_with_the_known_ones(sample: Sample) -> None:
    with pytest.raises(
        UnknownNameError, match=r"'logm'; did you mean 'logme'\? available: logme, h-score"
    ):
        score_features(sample.features, sample.labels, estimators=["logm"])


def test_the_constant_h_score_is_warned_of(wide_sample: Sample) -> None:
    with pytest.warns(DataWarning, match="h-score says nothing"):
        score_features(wide_sample.features, wide_sample.labels)


def test_scores_need_no_torch() -> None:
    code = (
        "import sys, autotransfer.transferability, autotransfer.transferability.distances; "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert done.returncode == 0


@pytest.mark.nightly
def test_ten_thousand_classes_are_scored_or_refused_in_words() -> None:
    labels = np.arange(20_000) % 10_000
    features = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32)
    found = score_features(features, labels)
    expected = {"logme", "h-score", "regularised-h-score", "transrate", "gbc", "knn", "lfc"}
    assert expected <= set(found)
    assert all(np.isfinite(list(found.values())))
    for name in ("ridge-loo", "probe-cv", "gbc-diagonal", "n-leep"):
        with pytest.raises(UndefinedScoreError, match="0000"):
            score_features(features, labels, [name])


def test_ten_thousand_classes_of_one_image_each_leave_no_nan() -> None:
    features = np.random.default_rng(0).normal(size=(10_000, 8)).astype(np.float32)
    found = score_features(features, np.arange(10_000))
    assert "knn" not in found
    assert all(np.isfinite(list(found.values())))
