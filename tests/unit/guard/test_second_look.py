"""The obvious is tested where the finalist is not supported, at a second look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.holdout import Division
from autotransfer.errors import ReducedBudgetWarning
from autotransfer.guard.bootstrap import LEVEL
from tests.unit.guard.looks import (
    HELD_OUT,
    IMAGES,
    INSTEAD,
    SHARES,
    Looked,
    N,
    held_out_division,
    looking,
    open_division,
    right,
)


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Looked]:
    """A function that returns all looks of a fit."""
    return looking(tmp_path, monkeypatch)


def _unsupported(
    looked: Callable[..., Looked],
    division: Division,
    second: str = "transfer",
    metric: str = "accuracy",
) -> Looked:
    """Return the looks where the finalist, always right, is not supported; the obvious is not."""
    return looked(
        division,
        [
            ("two", right(IMAGES, hits=True)),
            ("one", right(IMAGES, hits=np.arange(N) % 6 < 3), "obvious"),
        ],
        returns=("baseline", second),
        combine=False,
        metric=metric,
    )


def test_the_obvious_is_tested_where_the_finalist_is_not_supported(
    looked: Callable[..., Looked],
) -> None:
    found = _unsupported(looked, open_division())
    first, second = found.looks
    assert not first.candidate.obvious
    assert second.candidate.obvious
    assert (
        first.candidate.probabilities.mean(axis=0).argmax(axis=1) == IMAGES.labels[HELD_OUT]
    ).all()
    hits = second.candidate.probabilities.mean(axis=0).argmax(axis=1) == IMAGES.labels[HELD_OUT]
    assert hits.tolist() == (np.arange(N) % 6 < 3)[HELD_OUT].tolist()
    assert found.judged.finalist.outcome.strategy == "obvious"
    assert found.judged.kept.strategy == "obvious"
    assert found.trained == ["obvious on one"]


def test_the_second_look_has_a_quarter_of_the_error(looked: Callable[..., Looked]) -> None:
    first, second = _unsupported(looked, open_division()).looks
    assert (first.terms.looks, first.terms.level) == (1, LEVEL)
    assert (second.terms.looks, second.terms.level) == (2, LEVEL / 4)


def test_on_sealed_pictures_both_are_trained_before_they_are_compared(
    looked: Callable[..., Looked],
) -> None:
    # both say the same of the held-out items, and the same answers again are no new look
    found = _unsupported(looked, held_out_division(range(6)))
    assert [look.candidate.obvious for look in found.looks] == [False, True]
    assert [look.terms.looks for look in found.looks] == [1, 1]
    assert found.trained == ["teller on two", "obvious on one"]
    assert found.judged.kept.strategy == "obvious"


@pytest.mark.parametrize(
    ("metric", "gap"),
    [
        ("accuracy", "gap -2.0 points, 95 % interval -12.5 to 4.0"),
        ("log_loss", "gap -0.020 nats, 95 % interval -0.125 to 0.040"),
    ],
)
def test_the_verdict_says_what_was_tested_first(
    looked: Callable[..., Looked], metric: str, gap: str
) -> None:
    verdict = _unsupported(looked, open_division(), metric=metric).judged.verdict
    (remark,) = (text for text in verdict.remarks if "not supported" in text)
    assert "the search chose teller on two" in remark
    assert gap in remark


def test_a_baseline_is_returned_where_the_obvious_is_not_supported_either(
    looked: Callable[..., Looked],
) -> None:
    found = _unsupported(looked, open_division(), second="baseline")
    assert len(found.looks) == 2
    assert found.judged.kept.baseline
    assert found.judged.finalist.outcome.strategy == "obvious"


def test_a_baseline_stays_as_its_test_has_left_it_where_no_time_is_left(
    looked: Callable[..., Looked],
) -> None:
    trials, told = [("one", right(IMAGES, hits=True), "obvious")], "did not learn from the last"
    with pytest.warns(ReducedBudgetWarning, match=told):
        late = looked(open_division(), trials, returns=("baseline",), late=True)
    in_time = looked(open_division(), trials, returns=("baseline",))
    assert late.judged.kept.predictor is SHARES.predictor
    assert in_time.judged.kept.predictor is not SHARES.predictor
    assert late.judged.verdict.returned == "baseline"


def test_what_is_promoted_shares_the_error_with_all_that_the_items_have_chosen_from(
    looked: Callable[..., Looked],
) -> None:
    # the finalist and the rival, which other items have chosen; each further look is one more
    five = (INSTEAD,) * 5
    trials = [("one", right(IMAGES, hits=True), "obvious")]
    found = looked(held_out_division(range(6)), trials, baselines=five)
    assert found.judged.challenger.terms.level == pytest.approx(LEVEL / 2)
    both = _unsupported(looked, open_division()).judged
    assert both.challenger.terms.level == pytest.approx(LEVEL / 4 / 3)


def test_a_finalist_that_is_supported_is_looked_at_once(looked: Callable[..., Looked]) -> None:
    trials = [
        ("two", right(IMAGES, hits=True)),
        ("one", right(IMAGES, hits=False), "obvious"),
    ]
    found = looked(open_division(), trials)
    assert len(found.looks) == 1
    assert found.judged.finalist.outcome.strategy == "teller"
    assert found.judged.kept.strategy == "teller"


def test_the_obvious_as_the_finalist_is_looked_at_once(looked: Callable[..., Looked]) -> None:
    trials = [("one", right(IMAGES, hits=True), "obvious")]
    found = looked(open_division(), trials, returns=("baseline",))
    (only,) = found.looks
    assert only.candidate.obvious
    assert found.judged.kept.baseline


def test_the_obvious_is_in_every_shortlist(looked: Callable[..., Looked]) -> None:
    # its source is on no shortlist; it stays the one to beat in every fold
    trials = [("one", right(IMAGES, hits=True), "obvious"), ("two", right(IMAGES, hits=False))]
    (only,) = looked(open_division(), trials, shortlists=(("two",),) * 3).looks
    said = only.candidate.probabilities
    assert (said.argmax(axis=-1) == IMAGES.labels[HELD_OUT]).all()
