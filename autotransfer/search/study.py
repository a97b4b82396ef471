"""The Optuna study of a fit: opened or resumed by name, the record of every outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from pydantic import TypeAdapter

from autotransfer.errors import InvalidOptionError, StudyExistsError
from autotransfer.problem import ParamValue
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms

STORAGE_FILE = "autotransfer.db"
SAMPLERS = ("tpe", "gp", "random")
_OUTCOME = "outcome"
_STATES = {State.COMPLETE: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}
_OUTCOMES = TypeAdapter(Outcome)


def sampler_named(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler; seeded, so that a study without a deadline can be repeated."""
    match name:
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
    raise InvalidOptionError(f"no sampler named {name!r}; available: {', '.join(SAMPLERS)}")


@dataclass(frozen=True)
class Study:
    """One study; only the driver of the search writes to it."""

    optuna: optuna.Study

    @property
    def outcomes(self) -> list[Outcome]:
        """Return every outcome so far, by trial number."""
        return [
            _OUTCOMES.validate_python(trial.user_attrs[_OUTCOME])
            for trial in self.optuna.get_trials(deepcopy=False)
            if _OUTCOME in trial.user_attrs
        ]

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value with the study."""
        self.optuna.set_user_attr(key, value)

    def recall(self, key: str) -> Any:
        """Return what was kept under the key, or None."""
        return self.optuna.user_attrs.get(key)

    def enqueue_defaults(self, arms: Arms) -> None:
        """Queue the default point of every arm, unless the study has had it."""
        known = self._known_points()
        for rank, strategy in arms.defaults():
            space = arms.spaces[strategy]
            point = {
                "source_rank": rank,
                "strategy": strategy,
                **space.encode(space.defaults(), strategy),
            }
            if _key(point) not in known:
                self.optuna.enqueue_trial(point, user_attrs={"why": "default"})

    def _known_points(self) -> set[str]:
        """Return every point that was tried, is running or waits."""
        points = set()
        for trial in self.optuna.get_trials(deepcopy=False):
            fixed = trial.system_attrs.get("fixed_params", {})
            points.add(_key(fixed or trial.params))
        return points

    def recover(self) -> None:
        """Put right what a killed driver left: finished trials are told, others queued again."""
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            stored = trial.user_attrs.get(_OUTCOME)
            if stored is not None:
                self._tell(trial.number, _OUTCOMES.validate_python(stored))
                continue
            self.optuna.tell(trial.number, state=TrialState.FAIL)
            point = trial.params or trial.system_attrs.get("fixed_params", {})
            if point:
                self.optuna.enqueue_trial(point, user_attrs={"why": f"retry of {trial.number}"})

    def record(self, trial: Trial, outcome: Outcome) -> None:
        """Write the outcome, then tell the sampler."""
        trial.set_user_attr(_OUTCOME, _OUTCOMES.dump_python(outcome, mode="json"))
        for step, value in outcome.rungs:
            trial.report(value, step)
        self._tell(trial.number, outcome)

    def dismiss(self, trial: Trial, reason: str) -> None:
        """End a trial that was never run; it has no outcome and does not count."""
        trial.set_user_attr("dismissed", reason)
        self.optuna.tell(trial.number, state=TrialState.FAIL)

    def _tell(self, number: int, outcome: Outcome) -> None:
        state = _STATES.get(outcome.state, TrialState.FAIL)
        values = outcome.value if state is TrialState.COMPLETE else None
        self.optuna.tell(number, values, state=state)


def open_study(
    name: str, *, storage: str | None, workspace: Path, sampler: str, seed: int, resume: bool
) -> Study:
    """Return the study of that name.

    Args:
        name: Name of the study.
        storage: Optuna storage URL; None is SQLite in the workspace.
        workspace: The folder of the embedded storage.
        sampler: One of `SAMPLERS`.
        seed: Seed of the sampler.
        resume: Whether an existing study is continued; otherwise it is an error.

    Raises:
        StudyExistsError: If the study exists and `resume` is off.
    """
    url = storage or f"sqlite:///{(workspace / STORAGE_FILE).resolve()}"
    _forget_stillborn(name, url)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=url,
            direction="maximize",
            sampler=sampler_named(sampler, seed),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=resume,
        )
    except optuna.exceptions.DuplicatedStudyError as error:
        raise StudyExistsError(
            f"a study named {name!r} exists in {url}; continue it with --resume or choose "
            "another --name"
        ) from error
    found = Study(study)
    found.recover()
    return found


def _forget_stillborn(name: str, url: str) -> None:
    """Delete a study of that name that has no trial: its fit ended before it began."""
    if name not in optuna.get_all_study_names(storage=url):
        return
    study = optuna.load_study(study_name=name, storage=url)
    if not study.get_trials(deepcopy=False):
        optuna.delete_study(study_name=name, storage=url)


def study_names(*, storage: str | None, workspace: Path) -> Sequence[str]:
    """Return the names of the studies in a storage; none where there is no file yet."""
    path = workspace / STORAGE_FILE
    if storage is None and not path.exists():
        return []
    return optuna.get_all_study_names(storage=storage or f"sqlite:///{path.resolve()}")


def _key(point: Mapping[str, ParamValue]) -> str:
    return json.dumps(dict(point), sort_keys=True)
