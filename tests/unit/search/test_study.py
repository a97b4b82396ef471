from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from autotransfer.errors import StudyExistsError
from autotransfer.plugin.space import SearchSpace, choice, floating
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.study import Study, open_study
from autotransfer.search.trial import best_of, trial_seed

SPACE = SearchSpace.of(size=floating(0.0, 1.0, default=0.5), kind=choice(("a", "b"), default="a"))


def _outcome(number: int, value: float | None, **changes: object) -> Outcome:
    state = State.FAILED if value is None else State.COMPLETE
    rungs = () if value is None else ((2, value),)
    scenarios: dict[str, object] = {"value": value, "log_loss": 1.0, "rungs": rungs}
    return Outcome(number, "s", "probe", {"size": number}, state, **(scenarios | changes))  # type: ignore[arg-type]


def _study(tmp_path: Path, *, resume: bool = False) -> Study:
    return open_study(
        "mine", storage=None, workspace=tmp_path, sampler="random", seed=0, resume=resume
    )


def _ask(study: Study) -> optuna.Trial:
    trial = study.optuna.ask()
    trial.suggest_int("source_rank", 1, 2, log=True)
    trial.suggest_categorical("strategy", ["probe"])
    SPACE.suggest(trial, "probe")
    return trial


class _Named:
    name = "probe"
    trains = False


def _arms() -> Arms:
    sources = (tiny_source("one"), tiny_source("two", seed=1))
    return Arms(sources, (_Named(),), {"probe": SPACE})  # type: ignore[arg-type]


def test_the_best_outcome_has_the_highest_score_and_then_the_lowest_log_loss() -> None:
    outcomes = [
        _outcome(0, 0.8),
        _outcome(1, 0.9, log_loss=0.7),
        _outcome(2, 0.9, log_loss=0.3),
        _outcome(3, None),
    ]
    best = best_of(outcomes)
    assert best is not None
    assert best.number == 2
    assert best_of([_outcome(0, None)]) is None


def test_the_seed_of_a_trial_depends_on_both_numbers() -> None:
    seeds = {trial_seed(seed, number) for seed in range(3) for number in range(3)}
    assert len(seeds) == 9
    assert trial_seed(1, 2) == trial_seed(1, 2)


def test_defaults_are_tried_first_in_the_order_of_the_ranking(tmp_path: Path) -> None:
    study = _study(tmp_path)
    study.enqueue(_arms())
    first, second = _ask(study), _ask(study)
    assert [trial.params["source_rank"] for trial in (first, second)] == [1, 2]
    assert first.params["probe.size"] == 0.5


def test_defaults_are_queued_once_over_resumes(tmp_path: Path) -> None:
    study = _study(tmp_path)
    study.enqueue(_arms())
    study.enqueue(_arms())
    assert len(study.optuna.trials) == 2


def test_what_a_killed_driver_left_running_is_queued_again(tmp_path: Path) -> None:
    study = _study(tmp_path)
    study.enqueue(_arms())
    left = _ask(study)
    resumed = _study(tmp_path, resume=True)
    states = [trial.state for trial in resumed.optuna.trials]
    assert states[left.number] is optuna.trial.TrialState.FAIL
    assert resumed.outcomes == []
    points = [_ask(resumed).params for _ in range(2)]
    assert left.params in points


def test_an_outcome_that_was_written_before_the_kill_is_told_and_not_run_again(
    tmp_path: Path,
) -> None:
    study = _study(tmp_path)
    trial = _ask(study)
    outcome = _outcome(trial.number, 0.75)
    study.optuna.tell = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    study.record(trial, outcome)
    resumed = _study(tmp_path, resume=True)
    assert resumed.outcomes == [outcome]
    assert resumed.optuna.trials[0].value == 0.75
    assert resumed.optuna.trials[0].user_attrs["source"] == outcome.source
    assert len(resumed.optuna.trials) == 1


def test_a_study_with_trials_is_not_begun_again(tmp_path: Path) -> None:
    _study(tmp_path).enqueue(_arms())
    with pytest.raises(StudyExistsError, match="--resume"):
        _study(tmp_path)


def test_a_study_that_never_began_is_forgotten_unless_it_is_resumed(tmp_path: Path) -> None:
    _study(tmp_path).remember("problem", "something")
    assert _study(tmp_path, resume=True).recall("problem") == "something"  # its run in MLflow, too
    assert _study(tmp_path).recall("problem") is None
