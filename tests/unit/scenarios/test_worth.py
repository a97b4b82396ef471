"""What decides that a search of a target with labels has found enough, on fabricated parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.models.metrics import metric_named
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Outcome, State, Stopped
from autotransfer.scenarios import worth as module
from autotransfer.scenarios.base import Candidates
from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.run import Request
from autotransfer.scenarios.worth import PASSES, PROBE_SECONDS, enough
from autotransfer.search.arms import Arms
from autotransfer.search.choice import Terms
from autotransfer.search.expected_gain import (
    BEYOND_THE_RECORD,
    OVER_A_MIXTURE,
    OVER_A_PROBE,
    Expected,
    Gain,
)
from autotransfer.search.stopping import Worth
from tests.unit.told import Teller, registry_of

IMAGES = shapes(2, 8)
ACCURACY = metric_named("accuracy")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Worth]:
    """Return what was asked whether more is worth it; it answers that nothing is."""
    found = list[Worth]()

    def answer(worth: Worth, *_: Any) -> Stopped:
        found.append(worth)
        return Stopped("enough", 0.0)

    monkeypatch.setattr(Worth, "__call__", answer)
    return found


def _asked(
    cache: Path,
    *,
    trains: bool,
    expected: Expected | None = OVER_A_MIXTURE,
    outcomes: Sequence[Any] = (object(),),
    **options: Any,
) -> Stopped | None:
    teller = Teller(lambda *_: None)  # type: ignore[arg-type]
    teller.trains = trains  # type: ignore[misc]
    source = replace(tiny_source(), architecture="resnet18") if trains else tiny_source()
    arms = Arms((source,), (teller,), {})
    readers = tiny_readers(cache)
    context = SimpleNamespace(
        images=IMAGES, metric=ACCURACY, readers=readers, divisions=lambda: [(IMAGES, IMAGES)] * 2
    )
    finalists: Any = SimpleNamespace(
        arms=arms,
        context=context,
        terms=lambda _outcomes: Terms(ACCURACY, expected=expected),
        obvious=lambda outcomes: list(outcomes),
    )
    read = read_options({"budget": "10m", **options})
    run: Any = SimpleNamespace(options=read, request=Request(read, registry_of(teller), 0.0, []))
    return enough(Candidates(arms, (object(),)), run, finalists)(outcomes, 1.0, 100.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"keep_searching": True},
        {"budget": Budget(trials=3, seconds=600)},
        {"budget": Budget(trials=3)},
        {"strategies": ["feature-extraction"]},
    ],
)
def test_whoever_says_how_long_to_search_is_heeded(
    tmp_path: Path, asked: list[Worth], options: dict[str, Any]
) -> None:
    assert _asked(tmp_path, trains=False, **options) is None
    assert not asked


def test_without_an_answer_nothing_is_enough(tmp_path: Path, asked: list[Worth]) -> None:
    assert _asked(tmp_path, trains=False, outcomes=()) is None
    assert not asked


def test_what_reads_frozen_features_is_expected_to_gain_as_such_and_takes_no_time(
    tmp_path: Path, asked: list[Worth]
) -> None:
    assert _asked(tmp_path, trains=False) == Stopped("enough", 0.0)
    ((worth),) = asked
    assert worth.known == OVER_A_MIXTURE.frozen
    assert worth.first_seconds == PROBE_SECONDS
    assert worth.strategies == {"teller"}


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        (OVER_A_MIXTURE, OVER_A_MIXTURE.trained),
        (OVER_A_PROBE, OVER_A_PROBE.trained),
        (None, OVER_A_MIXTURE.trained),
    ],
)
def test_what_trains_is_expected_to_gain_by_what_is_to_be_beaten_and_takes_thirty_passes(
    tmp_path: Path,
    asked: list[Worth],
    monkeypatch: pytest.MonkeyPatch,
    expected: Expected | None,
    known: Gain,
) -> None:
    monkeypatch.setattr(module, "_pace", lambda *_: 0.01)
    _asked(tmp_path, trains=True, expected=expected)
    ((worth),) = asked
    assert worth.known == known
    assert worth.first_seconds == pytest.approx(PASSES * 2 * len(IMAGES) * 0.01)


@pytest.mark.parametrize("trains", [False, True])
def test_other_architectures_than_the_recorded_ones_are_expected_to_gain_more(
    tmp_path: Path,
    asked: list[Worth],
    monkeypatch: pytest.MonkeyPatch,
    trains: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    monkeypatch.setattr(module, "_pace", lambda *_: 0.01)
    monkeypatch.setattr("autotransfer.search.expected_gain.RECORDED_ARCHITECTURES", ("vgg",))
    _asked(tmp_path, trains=trains)
    assert asked[0].known == BEYOND_THE_RECORD


def test_the_pace_of_a_source_is_the_one_measured_so_far_or_is_measured_now(
    tmp_path: Path,
) -> None:
    source, readers = tiny_source(), tiny_readers(tmp_path)
    context: Any = SimpleNamespace(images=IMAGES, readers=readers)
    first = module._pace(context, source)
    assert 0 < first < 1
    assert readers[source].missing(IMAGES) == len({*IMAGES.pixel_keys})  # nothing is kept
    readers[source](IMAGES)
    assert module._pace(context, source) == readers[source].pace


def test_what_is_measured_is_the_gain_of_the_choice_over_the_obvious() -> None:
    labels = np.arange(60) % 2
    right = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    wrong = np.where((np.arange(60) < 12)[:, None], 1 - right, right)
    finalists: Any = SimpleNamespace(
        candidates=lambda _outcomes: {-1: wrong, 3: right},
        context=SimpleNamespace(validation_labels=labels),
        folds=np.arange(60) % 3,
        terms=lambda _outcomes: Terms(ACCURACY, (-1,), combine=False),
    )
    outcome = Outcome(3, "a", "b", {}, State.COMPLETE)
    found = module._measured(finalists, [outcome])
    assert found is not None
    # twelve of sixty more are right: sixty squared errors of .2 and .8, and one more
    assert found[0] == pytest.approx(0.2)
    assert found[1] == pytest.approx((12 * 0.8**2 + 48 * 0.2**2 + 1) ** 0.5 / 60)
    finalists.candidates = lambda _outcomes: {-1: wrong}
    assert module._measured(finalists, [outcome]) is None
