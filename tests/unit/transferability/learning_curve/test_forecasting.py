from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.forecasts import LabelForecast, More, Overtaking, Range
from autotransfer.transferability.learning_curve.forecasting import (
    forecast_labels,
    gain_of,
    rounded,
    settling,
    steps,
)
from autotransfer.transferability.learning_curve.power_law import LearningCurve
from autotransfer.transferability.learning_curve.subsampling import Subsampled
from autotransfer.transferability.learning_curve.wording import forecast_sentences, gain_text


def flat(error: float, slope: float = 0.0) -> LearningCurve:
    """Certain curves of two classes: so much error at 20 labels, falling as a power law."""
    return LearningCurve(np.array([[np.log(error), slope, 1e-12]] * 2000), 2)


def test_steps_are_round_numbers_from_a_fifth_of_the_labels_on() -> None:
    assert steps(50) == (10, 20, 50)
    assert steps(244) == (50, 100, 200)
    assert steps(26_000) == (5000,)


def test_a_gain_is_of_the_same_curve() -> None:
    found = gain_of(flat(0.2, -0.5), 20, 60)
    assert found.gain.value == pytest.approx(0.1)  # four times the labels halve the error
    assert found.accuracy.value == pytest.approx(0.9)
    assert gain_text(replace(found, gain=Range(0.021, 0.008, 0.035))) == (
        "+60 labels: +2.1 points (0.8 to 3.5)"
    )


def test_numbers_are_rounded_up_to_two_digits() -> None:
    assert [rounded(x) for x in (7.2, 41.0, 411.0, 4101.0)] == [8, 41, 420, 4200]


def test_a_verdict_is_settled_where_the_gap_can_be_detected() -> None:
    ours, theirs = flat(0.2), flat(0.3)
    # a gap of 0.1 stays; 100 labels detect 0.2, so it takes four times as many
    found = settling(ours, theirs, 100, 0.1, detectable=0.2, least=0.02)
    assert found == pytest.approx(400, rel=0.03)
    assert settling(ours, theirs, 100, 0.001, detectable=0.9, least=0.001) is None


def test_a_gap_that_grows_with_labels_settles_sooner_than_by_the_gap_alone() -> None:
    growing = settling(flat(0.3, -0.6), flat(0.4), 20, 0.1, detectable=0.4, least=0.02)
    alone = 20 * (0.4 / 0.1) ** 2
    assert growing is not None
    assert growing < alone / 2


def test_a_better_rival_has_overtaken_and_a_worse_one_never_does() -> None:
    hits = np.ones((3, 200))
    hits[:, :60] = 0.0
    measured = Subsampled(np.array([50, 100, 200]), hits, 2, 200)
    found = forecast_labels(measured, 3, {"steep": flat(0.35, -2.0), "level": flat(0.9)})
    steep, level = found.overtaken
    assert steep.labels is not None
    assert 200 <= steep.labels < 400
    assert level == Overtaking("level", None, 0.0)
    assert found.goal == 0.8
    assert [more.labels for more in found.more] == [50, 100, 200]


def test_the_sentences_say_figures_first_and_what_is_out_of_reach() -> None:
    now = Range(0.8, 0.7, 0.85)
    more = More(50, Range(0.82, 0.75, 0.88), Range(0.02, 0.01, 0.03))
    found = LabelForecast(
        100, 90, 3, (50, 100), (0.7, 0.8), now, (more,), 0.9, None,
        (Overtaking("pixels", None, 0.1),), 400,
    )  # fmt: skip
    assert forecast_sentences(found) == [
        "80.0 % accuracy now (70.0 % to 85.0 %): probes on 3 source(s), 100 labels, measured on "
        "90 items",
        "+50 labels: +2.0 points (1.0 to 3.0)",
        "90 % is out of reach with these sources: not even 20 times the labels would do",
        "pixels: not expected to overtake below 2000 labels (10 % likely)",
        "about 400 labels in all would settle the verdict by these curves",
    ]
    reached = replace(found, needed=Range(420, 260, 900), overtaken=(), settled=None)
    assert "90 % needs about 420 more (260 to 900)" in forecast_sentences(reached)
