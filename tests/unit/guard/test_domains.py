from __future__ import annotations

import numpy as np
import pytest

from autotransfer.guard.domains import compare_domains, domain_scores
from autotransfer.guard.verdict import too_few_sentence
from autotransfer.models.metrics import metric_named
from autotransfer.results import DomainScore

ACCURACY = metric_named("accuracy")


def test_each_domain_has_its_own_score_whatever_its_size() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    said = np.where((np.arange(6) < 1)[:, None], wrong, right)
    found = domain_scores(ACCURACY, labels, said, wrong, ["a", "a", "a", "a", "b", "b"])
    assert found == (DomainScore("a", 4, 0.75, 0.0), DomainScore("b", 2, 1.0, 0.0))


def test_the_interval_is_students_over_domains() -> None:
    """Gaps of .1 to .5: mean .3, deviation .158; t of 4 degrees at 97.5 % is 2.776."""
    scores = [DomainScore(str(i), 10 * i, 0.5 + i / 10, 0.5) for i in range(1, 6)]
    found = compare_domains(ACCURACY, scores)
    reach = 2.7764 * np.sqrt(0.025 / 5)
    assert found.n == 5
    assert found.gap.value == pytest.approx(0.3)
    assert found.gap.low == pytest.approx(0.3 - reach, abs=1e-4)
    assert found.gap.high == pytest.approx(0.3 + reach, abs=1e-4)
    wider = compare_domains(ACCURACY, scores, inflation=4.0)
    assert wider.gap.low == pytest.approx(0.3 - 2 * reach, abs=1e-4)
    assert found.probability_above(0.3) == pytest.approx(0.5, abs=1e-3)
    assert (found.test.low, found.test.high) == pytest.approx((0.8 - reach, 0.8 + reach), abs=1e-4)


def test_equal_predictors_have_no_gap_and_no_width() -> None:
    found = compare_domains(ACCURACY, [DomainScore(name, 9, 0.6, 0.6) for name in "abc"])
    assert (found.gap.low, found.gap.value, found.gap.high, found.mcnemar) == (0, 0, 0, 1)


def test_the_interval_holds_the_mean_gap_of_normal_domains_as_often_as_it_says() -> None:
    generator, held = np.random.default_rng(0), 0
    for _ in range(300):
        gaps = generator.normal(0.1, 0.05, 5)
        gap = compare_domains(ACCURACY, [DomainScore("d", 9, 0.5 + g, 0.5) for g in gaps]).gap
        held += gap.low <= 0.1 <= gap.high
    assert 273 <= held <= 295


def test_few_domains_carry_no_claim_and_the_sentence_says_so() -> None:
    scores = [DomainScore("a", 9, 0.6, 0.5), DomainScore("b", 9, 0.8, 0.5)]
    told = too_few_sentence(compare_domains(ACCURACY, scores), scores, baseline="pixels")
    assert told == (
        "+20.0 points against the best you would have got without a source (pixels; 2 left-out "
        "domains, +10.0 to +30.0): open; fewer than 5 domains carry no interval, so nothing is "
        "claimed of another one"
    )
