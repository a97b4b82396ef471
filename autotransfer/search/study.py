"""The Optuna study of a fit: opened or resumed by name, the record of every outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState
from pydantic import TypeAdapter

from autotransfer.errors import InvalidOptionError, StudyExistsError
from autotransfer.masking import masked_url
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.arms import Arms
from autotransfer.search.initial_points import portfolio
from autotransfer.search.pruning import Losses, restored, stored
from autotransfer.search.skip_rules import not_finite, out_of_memory
from autotransfer.search.storage import has_storage, open_storage, storage_url

SAMPLERS = ("tpe", "gp", "random")
_OUTCOME, _LOSSES, _PROBE, _FORCED = "outcome", "losses", "probe ", "forced"
_STATES = {State.COMPLETE: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}
_OUTCOMES = TypeAdapter(Outcome)


def sampler_named(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler; seeded, so that a study without a deadline can be repeated."""
    match name:
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
    raise InvalidOptionError(f"no sampler named {name!r}; available: {', '.join(SAMPLERS)}")


@dataclass(frozen=True)
class Study:
    """One study; only the driver of the search writes to it."""

    optuna: optuna.Study

    @property
    def outcomes(self) -> list[Outcome]:
        """Return every outcome so far: the probes, then the trials by number."""
        attributes = self.optuna.user_attrs
        kept = [value for key, value in attributes.items() if key.startswith(_PROBE)]
        probes = sorted(map(_OUTCOMES.validate_python, kept), key=lambda o: -o.number)
        trials = [
            _OUTCOMES.validate_python(trial.user_attrs[_OUTCOME])
            for trial in self.optuna.get_trials(deepcopy=False)
            if _OUTCOME in trial.user_attrs
        ]
        return [*probes, *trials]

    def losses(self) -> dict[int, Losses]:
        """Return the losses at the rungs of every trial that was scored, by its number."""
        return {
            trial.number: restored(trial.user_attrs[_LOSSES])
            for trial in self.optuna.get_trials(deepcopy=False)
            if _LOSSES in trial.user_attrs
        }

    def keep_probe(self, outcome: Outcome) -> None:
        """Write the outcome of a probe, in one transaction."""
        self.remember(f"{_PROBE}{-outcome.number}", _OUTCOMES.dump_python(outcome, mode="json"))

    def note_forced(self, decision: str) -> None:
        """Keep a decision that the time left has made, so that a fit can be understood."""
        if decision not in self.forced:
            self.remember(_FORCED, [*self.forced, decision])

    @property
    def forced(self) -> tuple[str, ...]:
        """Return the decisions that the time left has made."""
        return tuple(self.recall(_FORCED) or ())

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value with the study."""
        self.optuna.set_user_attr(key, value)

    def recall(self, key: str) -> Any:
        """Return what was kept under the key, or None."""
        return self.optuna.user_attrs.get(key)

    def enqueue(self, arms: Arms, earlier: Sequence[Mapping[str, ParamValue]] = ()) -> None:
        """Queue what is tried before the sampler proposes, unless the study has had it.

        Args:
            arms: What may be tried; the portfolio of its strategies is queued.
            earlier: Points of the study that did well elsewhere; they come first.
        """
        known = self._known_points()
        points = [
            {"source_rank": rank, "strategy": name, **arms.spaces[name].encode(params, name)}
            for rank, name, params in portfolio(arms)
        ]
        queued = [(point, "earlier fit") for point in earlier]
        queued += [(point, "portfolio") for point in points]
        for point, why in queued:
            if _key(point) not in known:
                known.add(_key(point))
                self.optuna.enqueue_trial(dict(point), user_attrs={"why": why})

    def _known_points(self) -> set[str]:
        """Return every point that was tried, is running or waits."""
        trials = self.optuna.get_trials(deepcopy=False)
        return {_key(t.system_attrs.get("fixed_params") or t.params) for t in trials}

    def recover(self) -> None:
        """Put right what an ended driver left: finished trials are told, others queued again."""
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            stored = trial.user_attrs.get(_OUTCOME)
            if stored is not None:
                self._tell(trial.number, _OUTCOMES.validate_python(stored))
                continue
            self.optuna.tell(trial.number, state=TrialState.FAIL)
            point = trial.params or trial.system_attrs.get("fixed_params", {})
            if point:
                self.optuna.enqueue_trial(point, user_attrs={"why": f"retry of {trial.number}"})

    def record(self, trial: Trial, outcome: Outcome, losses: Losses | None = None) -> None:
        """Write the outcome, then tell the sampler."""
        if losses:
            trial.set_user_attr(_LOSSES, stored(losses))
        trial.set_user_attr(_OUTCOME, _OUTCOMES.dump_python(outcome, mode="json"))
        trial.set_user_attr("source", outcome.source)  # the parameters tell its rank alone
        for step, value in outcome.rungs:
            trial.report(value, step)
        self._tell(trial.number, outcome)

    def dismiss(self, trial: Trial, reason: str) -> None:
        """End a trial that was never run; it has no outcome and does not count."""
        trial.set_user_attr("dismissed", reason)
        self.optuna.tell(trial.number, state=TrialState.FAIL)

    def _tell(self, number: int, outcome: Outcome) -> None:
        """Tell the sampler; what failed for want of memory or numbers is told as the worst.

        Samplers take no notice of failures, and would propose the like again.
        """
        state = _STATES.get(outcome.state, TrialState.FAIL)
        if outcome.unfit or out_of_memory(outcome) or not_finite(outcome):
            state = TrialState.PRUNED
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
        StudyStorageError: If the storage cannot be opened.
    """
    url = storage_url(storage, workspace)
    opened = open_storage(url)
    if not resume:  # what it has noted, as its run in MLflow, is gone on with otherwise
        _forget_stillborn(name, opened)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=opened,
            direction="maximize",
            sampler=sampler_named(sampler, seed),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=resume,
        )
    except optuna.exceptions.DuplicatedStudyError as error:
        raise StudyExistsError(
            f"a study named {name!r} exists in {masked_url(url)}; continue it with --resume or "
            "choose another --name"
        ) from error
    found = Study(study)
    found.recover()
    return found


def _forget_stillborn(name: str, storage: BaseStorage) -> None:
    """Delete a study of that name that has no trial: its fit ended before it began."""
    if name not in optuna.get_all_study_names(storage=storage):
        return
    study = optuna.load_study(study_name=name, storage=storage)
    if not study.get_trials(deepcopy=False) and not Study(study).outcomes:
        optuna.delete_study(study_name=name, storage=storage)


def study_names(*, storage: str | None, workspace: Path) -> Sequence[str]:
    """Return the names of the studies in a storage; none where there is no file yet."""
    if not has_storage(storage, workspace):
        return []
    return optuna.get_all_study_names(storage=open_storage(storage_url(storage, workspace)))


def load_studies(*, storage: str | None, workspace: Path) -> dict[str, Study]:
    """Return the studies of a storage by name, in the order in which they were begun."""
    if not has_storage(storage, workspace):
        return {}
    opened = open_storage(storage_url(storage, workspace))
    return {
        name: Study(optuna.load_study(study_name=name, storage=opened))
        for name in optuna.get_all_study_names(storage=opened)
    }


def _key(point: Mapping[str, ParamValue]) -> str:
    return json.dumps(dict(point), sort_keys=True)
