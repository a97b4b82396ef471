from __future__ import annotations

import pytest

from autotransfer.results import Outcome, State
from autotransfer.search.cost import MARGIN, CostModel, work_of


def _ran(source: str, strategy: str, seconds: float, epochs: int = 1, **more: object) -> Outcome:
    scenarios: dict[str, object] = {"state": State.COMPLETE, "seconds": seconds} | more
    return Outcome(0, source, strategy, {"epochs": epochs}, **scenarios)  # type: ignore[arg-type]


def test_work_is_the_number_of_epochs_or_one() -> None:
    assert work_of({"epochs": 8}) == 8
    assert work_of({"effort": 0.5}) == 0.5
    assert work_of({"head": "ridge"}) == 1


def test_a_pair_that_ran_costs_what_it_cost_in_proportion_to_its_work() -> None:
    model = CostModel.of([_ran("a", "tune", 16.0, epochs=8)], num_folds=1)
    assert model.seconds("a", "tune", {"epochs": 4}) == pytest.approx(MARGIN * 8.0)


def test_a_pruned_trial_tells_the_cost_of_a_whole_one() -> None:
    # stopped at the second rung (a third) of the second of three folds: 4/9 of the trial
    stopped = _ran("a", "tune", 4.0, state=State.PRUNED, rungs=((0, 0.5), (4, 0.5)))
    model = CostModel.of([stopped], num_folds=3)
    assert model.seconds("a", "tune", {"epochs": 1}) == pytest.approx(MARGIN * 9.0)


def test_a_pair_that_never_ran_follows_from_its_source_and_its_strategy() -> None:
    # b costs twice as much as a, "slow" three times as much as "fast"
    seen = [_ran("a", "fast", 1.0), _ran("b", "fast", 2.0), _ran("a", "slow", 3.0)]
    found = CostModel.of(seen, num_folds=1).seconds("b", "slow", {"epochs": 1})
    assert found == pytest.approx(MARGIN * 6.0, rel=0.15)


def test_nothing_is_said_of_a_strategy_that_never_ran() -> None:
    model = CostModel.of([_ran("a", "fast", 1.0)], num_folds=1)
    assert model.seconds("a", "slow", {}) is None
    assert CostModel.of([], num_folds=1).seconds("a", "fast", {}) is None


def test_failures_say_nothing_of_the_cost() -> None:
    broken = _ran("a", "fast", 100.0, state=State.FAILED)
    assert CostModel.of([broken], num_folds=1).seconds("a", "fast", {}) is None


def test_a_trial_that_was_out_of_time_before_its_first_rung_tells_the_least_it_can_cost() -> None:
    # less than a ninth of the first of three folds took 2 seconds
    stopped = _ran("a", "tune", 2.0, state=State.PRUNED)
    model = CostModel.of([stopped], num_folds=3)
    assert model.seconds("a", "tune", {"epochs": 1}) == pytest.approx(MARGIN * 54.0)
