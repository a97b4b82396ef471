"""One fit: what was asked for, and its clock, folder, study and tracker."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from optuna.exceptions import ExperimentalWarning

from autotransfer.data.atomic_files import remove_abandoned
from autotransfer.errors import InvalidOptionError, one_line
from autotransfer.models.feature_store import default_folder
from autotransfer.plugin.presets import Preset
from autotransfer.plugin.registry import Registry
from autotransfer.results import ParamValue, ScenarioKind
from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.inputs import choose_preset, discover_plugins
from autotransfer.scenarios.options import Options, budget_of, device_of, read_options
from autotransfer.scenarios.ranking_options import refuse_options_of_a_fit
from autotransfer.scenarios.speaking import quiet_libraries, told_by
from autotransfer.search.driver import RunProbe, in_context
from autotransfer.search.executors.image_spool import sweep_spools
from autotransfer.search.run_folder import RunFolder, claim
from autotransfer.search.study import Study, open_study
from autotransfer.tracking.later import LaterTracker
from autotransfer.tracking.places import OFF, STORE_FILE
from autotransfer.tracking.plan import INTERRUPTED, PLAN, TrackingPlan, tracking_uri_of
from autotransfer.tracking.projection import FIT_TAG
from autotransfer.tracking.registration import Promotion, Registration

StepT = TypeVar("StepT")

RUN_ID = "run_id"  # of MLflow; kept, so that a resumed fit goes on in the same run

_ABANDONED_SECONDS = 86_400.0  # no file of the cache is written for so long

# What MLflow takes of a fit, on a machine with nothing else to do; its tables are made once.
NEW_STORE_SECONDS, STORE_SECONDS = 5.0, 1.0


# Why a result that is registered is not compared with the champion.
UNTESTED = "this fit has tested nothing to compare the two on; promote makes a result the champion"


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Args:
        began: `time.monotonic()` at the start.
        warnings: Texts of the warnings so far; filled as the fit goes on.
    """

    options: Options
    registry: Registry
    began: float
    warnings: list[str]

    @cached_property
    def budget(self) -> Budget:
        """Return how much the fit may spend."""
        return budget_of(self.options)

    @cached_property
    def preset(self) -> Preset:
        """Return the search space, checked against every installed strategy."""
        return choose_preset(self.options, self.registry)

    def strategies_for(self, kind: ScenarioKind) -> tuple[str, ...]:
        """Return the names of the strategies that a target of this kind is tried with.

        Those that the user names, or a search space of the user's own; the presets that come with
        the package name strategies for labelled targets.
        """
        own = str(self.options.space).endswith(".toml") or kind is ScenarioKind.LABELLED
        of_space = self.preset.strategies if own else None
        return tuple(
            dict.fromkeys(self.options.strategies or of_space or self.registry.strategies)
        )


@contextmanager
def requested(given: Mapping[str, Any], doing: str = "fit") -> Iterator[Request]:
    """Yield what was asked for; warnings are noted and raised on.

    Args:
        given: The options.
        doing: What asks; whatever is no fit takes no option of a search, a test or a record.

    Raises:
        InvalidOptionError: If there is no such option, its value is not allowed, or it would
            have no effect.
    """
    options = read_options(dict(given))
    if doing != "fit":
        refuse_options_of_a_fit(options, doing)
    options = replace(options, say=told_by(options))
    began = time.monotonic() if options.began is None else options.began
    device_of(options.device)
    budget = budget_of(options)
    if budget.seconds is None:
        options.say(
            f"no time limit: the fit ends after {budget.trials} trial(s), however long they take; "
            "--seconds (seconds=) adds one"
        )
    with _noted_warnings() as texts, quiet_libraries():
        request = Request(options, discover_plugins(options), began, texts)
        _ = request.preset  # a name that nobody offers is refused before any pass
        yield request


@dataclass(frozen=True)
class Run:
    """A fit that has begun.

    Args:
        study: Where proposals come from and outcomes go.
        run_probe: Runs the probes.
    """

    request: Request
    clock: Clock
    place: RunFolder
    study: Study
    tracker: LaterTracker
    run_probe: RunProbe = in_context

    @property
    def options(self) -> Options:
        """Return the checked options."""
        return self.request.options

    def stop(self) -> None:
        """End the time of the fit: what is left is saving the best answer so far.

        Raises:
            KeyboardInterrupt: If it was ended before; a second interrupt ends at once.
        """
        if self.clock.stopped:
            raise KeyboardInterrupt
        self.clock.stop()
        self.study.remember(INTERRUPTED, value=True)
        self.study.note_forced("the fit was interrupted by the user")
        self.options.say("interrupted: saving the best so far; interrupt again to stop at once")

    def despite_interrupt(self, step: Callable[[], StepT]) -> StepT:
        """Return what a step returns; where an interrupt ends it, it is done again without time.

        Raises:
            KeyboardInterrupt: As `stop` does.
        """
        try:
            return step()
        except KeyboardInterrupt:
            self.stop()
            return step()

    def registration(
        self, contest: Callable[[Path], Promotion] | None = None
    ) -> Registration | None:
        """Return how the result that was saved is registered, and keep whether `sync` may.

        Args:
            contest: As of `Registration`.

        Returns:
            None where it is not: the user did not ask, or has interrupted the fit.
        """
        name, interrupted = self.options.register, self.clock.stopped
        self.study.remember(INTERRUPTED, interrupted)
        if name is None or interrupted:
            return None
        return Registration(name, self.options.promote, contest, UNTESTED)

    def check_same_problem(self, identity: Sequence[Any], differing: str) -> None:
        """Refuse to resume the study on another problem.

        Args:
            identity: What must be the same, as JSON values.
            differing: What may differ, in words.
        """
        now, before = list(identity), self.study.recall("problem")
        if before is None:
            self.study.remember("problem", now)
        elif before != now:
            raise InvalidOptionError(
                f"this study was begun with {differing}; resume it with the same ones, or choose "
                "another --name"
            )

    def start_tracking(self, params: Mapping[str, ParamValue], fingerprint: str) -> None:
        """Name what the study compares, and say how the run in MLflow is opened, or resume it.

        How the run is opened is kept, so that `sync` can.
        """
        options, study = self.options, self.study
        with warnings.catch_warnings():  # Optuna calls it experimental
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.optuna.set_metric_names([f"validation {params['metric']}"])
        if options.tracking_uri == OFF:
            return
        run_id = study.recall(RUN_ID)
        if run_id is not None and self.tracker.resume(run_id):
            return
        told: dict[str, ParamValue] = {
            **params,
            "space": options.space,
            "sampler": options.sampler,
            "seed": options.seed,
            "trials": self.request.budget.trials or "no limit",
            "seconds": self.request.budget.seconds or "no limit",
        }
        before = study.recall(PLAN) or {"tags": {}}
        fit = before["tags"].get(FIT_TAG) or uuid.uuid4().hex
        tags = {"target.fingerprint": fingerprint, FIT_TAG: fit}
        folder = str(self.place.folder.resolve())
        plan = TrackingPlan(
            options.tracking_uri,
            options.experiment,
            folder,
            told,
            tags,
            options.register,
            options.promote,
        )
        plan.keep(study)
        if not self._time_for_tracking():
            study.note_forced(
                "MLflow was left out: no time was left to write it; `autotransfer sync` does"
            )
            return
        self.tracker.start(self.place.name, params=told, tags=tags)

    def _time_for_tracking(self) -> bool:
        """Return whether MLflow can be written, its tables included, in half of what is left."""
        closing = self.clock.closing()
        known = (self.place.workspace / STORE_FILE).exists()
        needed = STORE_SECONDS if known else NEW_STORE_SECONDS
        seconds = needed * self.clock.slowness
        return closing is None or seconds <= (closing - time.monotonic()) / 2


@contextmanager
def running(request: Request, target: str) -> Iterator[Run]:
    """Yield the run of a fit in its folder, which no other fit may use meanwhile."""
    options = request.options
    clock = Clock(request.began, request.budget.seconds, options.on_part)
    with claim(
        target,
        options.name,
        options.out,
        options.storage,
        resume=options.resume,
        workspace=options.workspace,
    ) as place:
        sweep_spools(default_folder())
        remove_abandoned(default_folder(), "**/*.tmp", _ABANDONED_SECONDS)
        study = open_study(
            place.name,
            storage=options.storage,
            workspace=place.workspace,
            sampler=options.sampler,
            seed=options.seed,
            resume=options.resume,
        )
        uri = tracking_uri_of(study, options.tracking_uri)
        tracker = LaterTracker(
            uri, options.experiment, place.workspace, lambda run_id: study.remember(RUN_ID, run_id)
        )
        try:
            yield Run(request, clock, place, study, tracker)
        except Exception as error:
            tracker.fail(one_line(error))
            raise
        except BaseException:
            tracker.stop()
            raise


@contextmanager
def _noted_warnings() -> Iterator[list[str]]:
    """Yield a list that is filled with the texts of warnings; they are raised on as well."""
    texts: list[str] = []
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__module__.startswith("autotransfer"):
            texts.append(str(message))
        show(message, category, *rest, **more)

    with warnings.catch_warnings():
        warnings.showwarning = note
        yield texts
