"""A target with labels: what its options mean for the steps of a fit, on fabricated parts."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.data.target import Target
from autotransfer.errors import DeadlineError, OverrunError
from autotransfer.guard.verdict import NO_TIME, untested
from autotransfer.models.catalogue import Sources
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Decision, Outcome, Ranking, State
from autotransfer.scenarios.base import Candidates, Searched
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.labelled import COMPARING_SECONDS, Labelled
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.run import Request, Run
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.finalists import Finalists
from tests.unit.told import registry_of

IMAGES = shapes(2, 12)


def _scenario(cache: Path, **options: Any) -> Labelled:
    target = Target("shapes", IMAGES, None, None, IMAGES.class_names)
    problem = Problem(target, Sources((tiny_source(),), ()), tiny_readers(cache))
    return Labelled(problem, Request(read_options(options), registry_of(), 0.0, []))


def _run(seconds: float | None = None) -> Any:
    return SimpleNamespace(
        clock=Clock(time.monotonic(), seconds), place=SimpleNamespace(), options=None
    )


def _searched(scenario: Labelled) -> Searched[Any]:
    candidates = Candidates(Arms((tiny_source(),), (), {}), pool=(tiny_source("other"),))
    return Searched(Ranking((), ()), candidates, scenario.context(candidates), [])


def _finalists(scenario: Labelled, run: Run) -> Finalists:
    searched = _searched(scenario)
    return scenario._finalists(searched.candidates, searched.context, run)


@pytest.mark.parametrize(
    "options", [{"single": True}, {"ensemble": False}, {"max_mb": 5}, {"max_ms": 9.0}]
)
def test_nothing_is_put_together_where_the_user_does_not_want_it(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    scenario = _scenario(tmp_path, **options)
    assert not _finalists(scenario, _run()).combine


def test_what_chooses_gets_the_seed_the_folds_and_half_of_the_time_that_is_held_back(
    tmp_path: Path,
) -> None:
    scenario, run = _scenario(tmp_path, seed=7, refit=False), _run(100.0)
    finalists = _finalists(scenario, run)
    assert (finalists.seed, finalists.refit, finalists.combine) == (7, False, True)
    assert finalists.deadline == pytest.approx(run.clock.began + 85)
    ours, expected = finalists.context.folds, scenario.division.folds(7)
    assert [f.train.tolist() for f in ours] == [f.train.tolist() for f in expected]


def test_trials_share_the_folds_of_the_seed_and_the_pool(tmp_path: Path) -> None:
    context = _searched(_scenario(tmp_path, seed=3)).context
    assert [source.name for source in context.shortlist] == ["tiny"]
    assert [source.name for source in context.pool] == ["other"]
    assert context.num_fits == len(context.folds) > 1


def test_a_resumed_study_must_share_items_metric_and_seed(tmp_path: Path) -> None:
    first = _scenario(tmp_path, metric="log_loss", seed=2).identity
    assert first == [IMAGES.fingerprint, "log_loss", 2]


def test_a_class_that_no_score_says_anything_about_is_among_the_notes(tmp_path: Path) -> None:
    images = shapes(3, 12)
    groups = tuple("one" if k == 2 else f"{i}" for i, k in enumerate(images.labels))
    target = Target("shapes", images, None, None, images.class_names, groups=groups)
    problem = Problem(target, Sources((tiny_source(),), ()), tiny_readers(tmp_path))
    scenario = Labelled(problem, Request(read_options({}), registry_of(), 0.0, []))
    (note,) = scenario.notes
    assert f"validation and test of '{images.class_names[2]}'" in note


def test_what_training_again_takes_is_kept_from_the_search(tmp_path: Path) -> None:
    scenario = _scenario(tmp_path)
    reserve = scenario.reserve(_searched(scenario).context, _run(100.0))
    done = Outcome(0, "tiny", "any", {}, State.COMPLETE, value=0.9, seconds=80.0)
    trained = sum(len(fold.train) for fold in scenario.division.folds(0))
    # 30 seconds are held back from the search, half of them for this
    assert reserve([done]) == pytest.approx(80 * len(IMAGES) / trained - 15)
    assert reserve([]) == 0


class _Study(dict[str, Any]):
    """What a study remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.recall, self.remember = self.get, self.__setitem__
        self.forced = list[str]()
        self.note_forced = self.forced.append


def test_without_time_the_search_reads_fewer_items_and_so_does_a_resume(tmp_path: Path) -> None:
    scenario, run = _scenario(tmp_path), _run(1e-3)
    run.study, run.options = _Study(), scenario.request.options
    ranking = Ranking((), ("tiny",))
    scenario._keep_affordable(ranking, run)
    assert run.study.forced == [
        "the search read 6 of 24 items: no time was left for more, nor to make the shortlist "
        "again for each fold"
    ]
    assert len(scenario.items) == len(scenario.division.images) == 6
    assert np.bincount(scenario.items.labels).tolist() == [3, 3]
    resumed, later = _scenario(tmp_path), _run(None)
    later.study, later.options = run.study, run.options
    resumed._keep_affordable(ranking, later)
    assert resumed.items.digests == scenario.items.digests
    assert len(run.study.forced) == 1


def test_with_time_the_search_reads_all_items(tmp_path: Path) -> None:
    scenario, run = _scenario(tmp_path), _run(1000.0)
    run.study, run.options = _Study(), scenario.request.options
    scenario._keep_affordable(Ranking((), ("tiny",)), run)
    assert (len(scenario.items), run.study.forced) == (24, [])


@pytest.mark.parametrize(
    ("stopped", "reason"), [(True, "interrupted"), (False, "no time was left")]
)
def test_without_time_nothing_is_tested_and_the_finalist_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, *, stopped: bool
) -> None:
    scenario, run = _scenario(tmp_path), _run(1e-9)
    run.options = scenario.request.options
    if stopped:
        run.clock.stop()
    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), "any", baseline=False, source=None)
    monkeypatch.setattr(scenario, "_finalists", lambda *_: SimpleNamespace(train=lambda *_: kept))
    monkeypatch.setattr(scenario, "_tested", lambda *_: pytest.fail("it was tested"))
    finalist: Any = SimpleNamespace(outcome=Outcome(0, "tiny", "any", {}, State.COMPLETE))
    judged = scenario.judge(finalist, _searched(scenario), run)
    assert (judged.verdict.decision, judged.kept) == (Decision.UNVERIFIED, kept)
    assert f"nothing was tested: {'the fit was ' if stopped else ''}{reason}" in (
        judged.verdict.sentence
    )


@pytest.mark.parametrize("error", [DeadlineError(), OverrunError()])
def test_a_guard_that_time_has_ended_leaves_the_finalist_unverified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    scenario, run = _scenario(tmp_path), _run(1000.0)
    run.options = scenario.request.options

    def ended(*_: object) -> None:
        raise error

    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), "any", baseline=False, source=None)
    monkeypatch.setattr(scenario, "_finalists", lambda *_: SimpleNamespace(train=lambda *_: kept))
    monkeypatch.setattr(scenario, "_tested", ended)
    finalist: Any = SimpleNamespace(outcome=Outcome(0, "tiny", "any", {}, State.COMPLETE))
    assert scenario.judge(finalist, _searched(scenario), run).verdict == untested(NO_TIME)


def test_the_guard_and_the_contest_know_their_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, run = _scenario(tmp_path), _run(1000.0)
    run.options = scenario.request.options
    scenario.__dict__["sources"] = Sources((tiny_source(),), ())
    monkeypatch.setattr(scenario, "_finalists", lambda *_: None)
    guard = scenario._guard(_searched(scenario), run)
    assert guard.deadline == run.clock.closing(COMPARING_SECONDS)
    assert guard.end == run.clock.deadline(1)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_verdict_that_is_known_when_the_time_ends_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    scenario, run = _scenario(tmp_path), _run(1000.0)
    run.options = scenario.request.options
    looks, ends = ["a first look", "a second look"], KeyboardInterrupt if stopped else OverrunError
    verdict = untested("but known")
    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), "any", baseline=True, source=None)
    finalist: Any = SimpleNamespace(outcome=Outcome(0, "tiny", "any", {}, State.COMPLETE))

    def finished(decided: str, _outcomes: object, *, late: bool = False) -> Any:
        assert decided == "a second look"
        if not late:
            raise ends
        return SimpleNamespace(verdict=verdict, kept=kept, finalist=finalist, challenger=None)

    guard = SimpleNamespace(decisions=lambda *_: iter(looks), finished=finished)
    monkeypatch.setattr(scenario, "_finalists", lambda *_: None)
    monkeypatch.setattr(scenario, "_guard", lambda *_: guard)
    if stopped:
        with pytest.raises(KeyboardInterrupt):
            scenario.judge(finalist, _searched(scenario), run)
        run.clock.stop()
    judged = scenario.judge(finalist, _searched(scenario), run)
    assert (judged.verdict, judged.kept) == (verdict, kept)
