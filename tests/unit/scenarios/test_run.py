"""What a fit was asked for, and what it found as a record, on fabricated parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from autotransfer.errors import InvalidOptionError, NegativeTransferWarning
from autotransfer.models.catalogue import Sources
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Decision, Ranking, ScenarioKind, Seconds, Share, Skipped
from autotransfer.scenarios.base import Candidates, Judged, Searched
from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.record import record_of
from autotransfer.scenarios.run import UNTESTED, Request, Run, requested, running
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.study import open_study
from autotransfer.tracking.later import LaterTracker
from autotransfer.tracking.plan import INTERRUPTED, TrackingPlan
from autotransfer.tracking.registration import Registration
from tests.unit.conftest import MakeOutcome, MakeRecord
from tests.unit.report.test_more_labels import FORECAST
from tests.unit.told import Teller, registry_of

SHIPPED = SimpleNamespace(strategies=("of the preset",))


def _request(tmp_path: Path, preset: Any = SHIPPED, **options: Any) -> Request:
    registry = registry_of(Teller(lambda *_: MajorityPredictor(np.ones(2) / 2)))
    request = Request(read_options(options), registry, 0.0, ["few items", "few items"])
    request.__dict__["preset"] = preset  # no file is read
    return request


def test_a_preset_of_the_package_names_strategies_for_labelled_targets_alone(
    tmp_path: Path,
) -> None:
    request = _request(tmp_path)
    assert request.strategies_for(ScenarioKind.LABELLED) == ("of the preset",)
    assert request.strategies_for(ScenarioKind.UNLABELLED) == ("teller",)
    assert request.strategies_for(ScenarioKind.ZERO_SHOT) == ("teller",)


@pytest.mark.parametrize("kind", ScenarioKind)
def test_a_search_space_of_the_users_own_names_strategies_for_every_target(
    tmp_path: Path, kind: ScenarioKind
) -> None:
    request = _request(tmp_path, space="mine.toml")
    assert request.strategies_for(kind) == ("of the preset",)


@pytest.mark.parametrize("kind", ScenarioKind)
def test_strategies_that_are_named_go_before_any_search_space(
    tmp_path: Path, kind: ScenarioKind
) -> None:
    request = _request(tmp_path, space="mine.toml", strategies=["b", "a", "b"])
    assert request.strategies_for(kind) == ("b", "a")


@pytest.mark.parametrize(
    "options", [{"executor": "nosuch"}, {"executor": "inline", "workers": 2}, {"ray_address": "a"}]
)
def test_an_executor_that_is_not_there_is_refused_before_anything_is_opened(
    options: dict[str, Any],
) -> None:
    with pytest.raises(InvalidOptionError, match="executor"), requested(options):
        pytest.fail("the request was accepted")


class _Study:
    """Keeps values as a study does."""

    forced = ("too little time",)

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def recall(self, key: str) -> Any:
        return self.values.get(key)

    def remember(self, key: str, value: Any) -> None:
        self.values[key] = value


def _run(tmp_path: Path, **options: Any) -> Run:
    parts: dict[str, Any] = {
        "clock": SimpleNamespace(
            seconds_of=lambda _readers: Seconds(total=3.0),
            stopped=False,
            closing=lambda _work: None,
        ),
        "place": SimpleNamespace(name="mine", folder=tmp_path),
        "study": _Study(),
        "tracker": SimpleNamespace(open=lambda: "r1"),
    }
    return Run(request=_request(tmp_path, seed=4, **options), **parts)


def test_a_study_is_resumed_on_the_same_problem_alone(tmp_path: Path) -> None:
    run = _run(tmp_path)
    run.check_same_problem(["abc", 1], "other items")
    run.check_same_problem(["abc", 1], "other items")
    with pytest.raises(InvalidOptionError, match="begun with other items"):
        run.check_same_problem(["abc", 2], "other items")


def test_what_an_interrupted_fit_saved_is_not_registered_and_a_resumed_fit_makes_good(
    tmp_path: Path,
) -> None:
    run = _run(tmp_path, register="plants")
    stopped = replace(run, clock=cast("Clock", SimpleNamespace(stopped=True)))
    assert stopped.registration() is None
    assert run.study.recall(INTERRUPTED)  # for `sync`, which reads what was saved
    assert run.registration() == Registration("plants", without=UNTESTED)
    assert not run.study.recall(INTERRUPTED)


def test_a_resumed_fit_asks_for_the_password_of_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    begun = open_study(
        "mine", storage=None, workspace=tmp_path, sampler="random", seed=0, resume=False
    )
    begun.optuna.ask()
    TrackingPlan("http://ann:sesame@h", "e", str(tmp_path), {}, {}).keep(begun)
    assert b"sesame" not in (tmp_path / "autotransfer.db").read_bytes()
    again = {"name": "mine", "resume": True, "workspace": tmp_path}
    with (
        pytest.raises(InvalidOptionError, match=r"in http://\*\*\*@h, whose password is not kept"),
        running(_request(tmp_path, **again), "target"),
    ):
        pytest.fail("the fit went on")
    named = {**again, "tracking_uri": "http://ann:sesame@h"}
    with running(_request(tmp_path, **named), "target") as run:
        assert run.tracker.uri == "http://***@h"


def _scenario() -> Any:
    return SimpleNamespace(
        name="photos",
        kind=ScenarioKind.UNLABELLED,
        metric="label-free",
        depth=None,
        modality="image",
        class_names=("ant", "bee"),
        sources=Sources((tiny_source(),), (Skipped("broken", "*", "no file"),)),
        readers=None,
        notes=("one file was left out",),
        provenance={"target": "t1"},
        label_forecast=lambda _ranking, _judged: FORECAST,
    )


def test_a_record_has_what_each_step_found(
    tmp_path: Path, make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    outcomes = [make_outcome(0, source="tiny"), make_outcome(1, source="tiny", reason="no memory")]
    unranked = [Skipped("other", "*", "cannot be read")]
    unfit = (Skipped("other", "*", "cannot be read"), Skipped("*", "dann", "needs images"))
    candidates = Candidates(Arms((tiny_source(),), (), {}), skipped=unfit)
    context: Any = SimpleNamespace()
    searched = Searched(Ranking((), ("tiny",)), candidates, context, outcomes)
    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), "teller", False, tiny_source())  # noqa: FBT003
    judged = Judged(
        make_record().verdict,
        kept,
        None,
        outcomes[1],
        faults={0: "one class alone", 1: "never looked at"},
        provenance={"returned": "trial 1"},
    )
    record = record_of(_scenario(), searched, judged, unranked, _run(tmp_path))
    assert (record.name, record.scenario, record.seed) == ("mine", "unlabelled", 4)
    assert [o.reason for o in record.outcomes] == ["one class alone", "no memory"]
    assert [(s.source, s.strategy) for s in record.skipped] == [
        ("broken", "*"),
        ("other", "*"),
        ("*", "dann"),
    ]
    assert record.warnings == ("one file was left out", "few items")
    assert record.forced == ("too little time",)
    assert record.finalist is outcomes[1]
    assert record.forecast is FORECAST
    assert record.provenance["target"] == "t1"
    assert record.provenance["returned"] == "trial 1"
    assert record.provenance["source"] == tiny_source().fingerprint
    assert [member.strategy for member in record.members] == ["teller"]
    assert (record.run_id, record.seconds.total) == ("r1", 3.0)


def test_a_record_has_the_licence_of_every_source_of_the_answer(
    tmp_path: Path, make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    others = [replace(tiny_source(name), license=name.upper()) for name in ("mit", "isc", "gpl")]
    scenario = _scenario()
    scenario.sources = Sources((tiny_source(), *others), ())
    shares = [Share(name, "probe", None, 0.5) for name in ("tiny", "isc")]
    kept = cast("Checkpoint", SimpleNamespace(members=tuple(shares)))
    outcome = make_outcome(source="tiny")
    context: Any = SimpleNamespace()
    searched = Searched(Ranking((), ()), Candidates(Arms((), (), {})), context, [outcome])
    judged = Judged(make_record().verdict, kept, None, outcome)
    record = record_of(scenario, searched, judged, [], _run(tmp_path))
    assert record.provenance["source.license"] == "unknown"
    assert record.provenance["members.licenses"] == "tiny: unknown; isc: ISC"
    assert record.verdict.remarks == judged.verdict.remarks

    knowing = [replace(source, pretrained_on="the Garden Flowers") for source in others]
    scenario.name, scenario.sources = "garden-flowers", Sources((tiny_source(), *knowing), ())
    told = record_of(scenario, searched, judged, [], _run(tmp_path)).verdict.remarks
    assert told[-1] == "the answer also reads isc, which may have seen these very items"


def test_a_negative_verdict_warns(
    tmp_path: Path, make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    verdict = replace(make_record().verdict, decision=Decision.NEGATIVE, sentence="it hurts")
    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), "majority", True, None)  # noqa: FBT003
    outcome = make_outcome(source="tiny")
    context: Any = SimpleNamespace()
    searched = Searched(Ranking((), ()), Candidates(Arms((), (), {})), context, [outcome])
    with pytest.warns(NegativeTransferWarning, match="it hurts"):
        record_of(_scenario(), searched, Judged(verdict, kept, None, outcome), [], _run(tmp_path))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), ["stop"]),
        (InvalidOptionError("one\ntwo"), ["fail InvalidOptionError: one"]),
        (OSError(), ["fail OSError"]),
    ],
)
def test_however_a_fit_ends_its_run_in_mlflow_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, told: list[str]
) -> None:
    found: list[str] = []
    monkeypatch.setattr(LaterTracker, "stop", lambda _: found.append("stop"))
    monkeypatch.setattr(LaterTracker, "fail", lambda _, reason: found.append(f"fail {reason}"))
    request = _request(tmp_path, name="mine", workspace=tmp_path, budget=Budget(seconds=1.0))
    with pytest.raises(type(error)), running(request, "target"):
        raise error
    assert found == told
