from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from autotransfer.errors import DataWarning, OverrunError
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.ranking.resampling import (
    probability_within_a_point,
    rank_intervals,
)
from autotransfer.transferability.ranking.scoring import Scored, scores_of
from tests.unit.transferability.ranking.samples import scored

KNN = next(e for e in ESTIMATORS if e.name == "knn")
LOGME = next(e for e in ESTIMATORS if e.name == "logme")


def test_what_is_right_wherever_another_is_wrong_is_the_best_with_certainty() -> None:
    found = probability_within_a_point([scored("a", (0.9,)), scored("b", (0.5,))], seed=0)
    np.testing.assert_array_equal(found, [1.0, 0.0])


def test_a_copy_is_as_likely_as_what_it_copies() -> None:
    found = probability_within_a_point([scored("a", (0.7,)), scored("b", (0.7,))], seed=0)
    np.testing.assert_array_equal(found, [1.0, 1.0])


def test_the_chance_of_a_close_second_is_that_of_the_normal_approximation() -> None:
    n, worse = 400, 20  # 5 points behind, on items of its own
    best, second = scored("a", (0.8,), n=n), scored("b", (0.75,), n=n)
    found = probability_within_a_point([best, second], seed=0)[1]
    share = worse / n
    spread = np.sqrt(share * (1 - share) / n)
    assert found == pytest.approx(norm.cdf((0.01 - share) / spread), abs=0.003)


def test_without_any_defined_probe_every_source_may_be_the_best() -> None:
    item = scored("a")
    blank = Scored(item.source, item.features, None, {}, np.full((1, 100), np.nan), 1.0, 1.0)
    np.testing.assert_array_equal(probability_within_a_point([blank, blank], seed=0), [1.0, 1.0])


def _separated(name: str, gap: float, seed: int) -> tuple[Scored, np.ndarray]:
    labels = np.repeat([0, 1], 60)
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(120, 4)).astype(np.float32)
    features[:, 0] += gap * labels
    statistics = Statistics.of(features, labels)
    item = scored(name)
    found = scores_of(statistics, [KNN, LOGME])
    return Scored(item.source, features, None, found, np.zeros((1, 120)), 1.0, 1.0), labels


def test_sources_far_apart_have_narrow_intervals_and_equal_ones_wide_ones() -> None:
    families = {"knn": "neighbours", "logme": "linear fit"}
    good, labels = _separated("good", 8.0, 0)
    same = [_separated(f"noise {i}", 0.0, i)[0] for i in range(1, 4)]
    low, high = rank_intervals([good, *same], labels, [KNN, LOGME], families, seed=0)
    assert (low[0], high[0]) == (1, 1)
    assert (low[1:] >= 2).all()
    assert (high[1:] - low[1:]).max() >= 1


def test_a_score_that_raises_what_is_no_exception_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_statistics: Statistics) -> float:
        raise SystemExit("away")

    monkeypatch.setattr(KNN, "score", gone)
    with pytest.warns(DataWarning, match="the score knn failed and is left out: SystemExit: away"):
        item, _ = _separated("any", 8.0, 0)
    assert list(item.scores) == ["logme"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OverrunError])
def test_an_interrupt_or_a_deadline_is_no_fault_of_a_score(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def ended(_statistics: Statistics) -> float:
        raise error

    monkeypatch.setattr(KNN, "score", ended)
    with pytest.raises(error):
        _separated("any", 8.0, 0)


def test_the_last_stage_is_read_unless_an_earlier_one_is_clearly_better() -> None:
    assert scored("a", (0.7, 0.7)).stage == 2
    item = scored("a", (0.6, 0.6), n=200)
    item.hits[0, [0, 1]], item.hits[0, [198, 197, 196]] = 0.0, 1.0  # 3 gained, 2 lost: noise
    assert item.stage == 2
    assert scored("a", (0.8, 0.9, 0.7)).stage == 2
    assert scored("a", (0.5, 0.6, 0.7)).stage == 3
