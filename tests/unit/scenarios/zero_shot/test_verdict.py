from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.results import Decision
from autotransfer.scenarios.zero_shot.verdict import (
    HELD_OUT,
    HELD_OUT_ITEMS,
    Evidence,
    decide,
    verdict_of,
)

GOOD = Evidence(
    basis=HELD_OUT,
    score=0.8,
    low=0.7,
    high=0.9,
    num_classes=15,
    chance=0.5,
    null=np.linspace(0.4, 0.6, 999),
    null_mean=0.5,
    assignments=1e9,
    nearest=0.7,
)


def test_the_true_table_counts_among_the_exchanged_ones() -> None:
    assert GOOD.p_value == pytest.approx(1 / 1000)
    assert replace(GOOD, score=0.5).p_value == pytest.approx(501 / 1000)


def test_positive_is_outside_the_null_and_above_every_baseline() -> None:
    verdict = verdict_of(GOOD)
    assert verdict.decision is Decision.POSITIVE
    assert verdict.basis == "held-out classes"
    assert verdict.returned == "transfer"
    assert verdict.gap is not None
    assert verdict.gap.value == pytest.approx(0.3)
    assert verdict.gap.low == pytest.approx(0.2)
    assert decide(replace(GOOD, low=0.49)) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("score", "decision", "returned"),
    [
        (0.59, Decision.INCONCLUSIVE, "transfer"),
        (0.53, Decision.INCONCLUSIVE, "baseline"),
        (0.49, Decision.NEGATIVE, "baseline"),
    ],
)
def test_inside_the_null_nothing_is_claimed(
    score: float, decision: Decision, returned: str
) -> None:
    verdict = verdict_of(replace(GOOD, score=score, low=0.45, high=0.65))
    assert (verdict.decision, verdict.returned) == (decision, returned)


def test_too_few_classes_cannot_be_tested_and_the_sentence_says_so() -> None:
    verdict = verdict_of(replace(GOOD, num_classes=7))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "7 classes with images are too few to test" in verdict.sentence
    few = replace(GOOD, basis=HELD_OUT_ITEMS, num_classes=2, assignments=30)
    assert decide(few) is Decision.INCONCLUSIVE
    assert "30 ways only" in verdict_of(few).sentence


@pytest.mark.parametrize("changed", [{}, {"score": 0.55}, {"score": 0.4}, {"num_classes": 7}])
def test_every_sentence_begins_with_the_number(changed: dict[str, float]) -> None:
    found = replace(GOOD, **changed)  # type: ignore[arg-type]
    told = verdict_of(found).sentence
    assert told.startswith(f"{100 * found.score:.1f} % of the images of ")


def test_the_sentence_names_score_interval_chance_and_null() -> None:
    text = verdict_of(GOOD).sentence
    for part in ("80.0 %", "70.0 % to 90.0 %", "chance 50.0 %", "97.5 %", "15 seen classes"):
        assert part in text
