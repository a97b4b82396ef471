"""A target without labels: choosing and judging, on fabricated outcomes and answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.errors import BudgetExhaustedError, InvalidOptionError
from autotransfer.models.catalogue import Sources
from autotransfer.plugin.need import Need
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.results import Decision, Outcome, Ranking, ScenarioKind, Skipped, State
from autotransfer.scenarios.base import Candidates, Searched
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.unlabelled import scenario as module
from autotransfer.scenarios.unlabelled.audit_step import with_audit
from autotransfer.scenarios.unlabelled.holdout import divide_target
from autotransfer.scenarios.unlabelled.intermediate_domains import DomainPath
from autotransfer.scenarios.unlabelled.scenario import Unlabelled
from autotransfer.search.arms import Arms

SCORES = {
    "infomax": 0.5,
    "bnm": 0.5,
    "class-ami": 0.5,
    "mixval": 0.5,
    "circular": 0.5,
    "source-accuracy": 0.9,
}
BETTER = {name: value + 0.2 for name, value in SCORES.items()}


def _strategy(name: str, *, adapts: bool) -> Any:
    return SimpleNamespace(
        name=name,
        needs=frozenset({Need.UNLABELLED_TARGET} if adapts else set()),
        priority=10,
        optimises=frozenset(),
        shifts_source_features=False,
    )


ARMS = Arms(
    (tiny_source(),), (_strategy("plain", adapts=False), _strategy("adapting", adapts=True)), {}
)


def _scenario() -> Any:
    held_out = SimpleNamespace(held_out=range(40))
    found = object.__new__(Unlabelled)
    found.problem = SimpleNamespace(source=held_out, target=held_out, seen=("d1",))  # type: ignore[assignment]
    found.class_names = ("ant", "bee")
    found.items = shapes(2, 2)
    found._domain_path, found._open_world = DomainPath(), None
    found.readers = {}  # type: ignore[assignment]
    found.request = SimpleNamespace(registry="registry")  # type: ignore[assignment]
    return found


def _outcome(number: int, strategy: str, **changes: Any) -> Outcome:
    given: dict[str, Any] = {"value": 0.5, "validators": SCORES, "seconds": 3.0, **changes}
    return Outcome(number, "tiny", strategy, {}, State.COMPLETE, **given)


def _run(answers: dict[int, Any], **options: Any) -> Any:
    """A run whose trials gave (n,) answers."""

    def validations(outcomes: list[Outcome]) -> dict[int, Any]:
        return {o.number: np.eye(2)[answers[o.number]] for o in outcomes}

    place = SimpleNamespace(validations=validations, trial_folder=lambda o: f"trial {o.number}")
    return SimpleNamespace(place=place, options=read_options(options), study=None)


def _searched(*outcomes: Outcome) -> Searched[Any]:
    context: Any = SimpleNamespace(judging=None)
    return Searched(Ranking((), ()), Candidates(ARMS), context, outcomes)


HALF = np.arange(40) % 2
ALMOST = np.where(np.arange(40) < 4, 1 - HALF, HALF)


def test_without_a_trial_that_ignores_the_target_there_is_nothing_to_compare_with() -> None:
    adapted = _outcome(0, "adapting", reason="")
    failed = Outcome(1, "tiny", "plain", {}, State.FAILED, reason="no memory")
    with pytest.raises(BudgetExhaustedError, match=r"ignores the target.*\n  no memory"):
        _scenario().choose(_searched(adapted, failed), _run({0: HALF}))


def test_what_breaks_a_limit_or_whose_strategy_is_gone_is_not_chosen_among() -> None:
    outcomes = (
        _outcome(0, "plain"),
        _outcome(1, "adapting", unfit="weighs 9 MB", validators=BETTER),
        _outcome(2, "of a plugin that is gone", validators=BETTER),
    )
    choice = _scenario().choose(_searched(*outcomes), _run({0: HALF, 1: ALMOST, 2: ALMOST}))
    assert choice.chosen.number == 0
    assert choice.finalist is None


def test_the_answers_of_each_trial_are_its_own() -> None:
    outcomes = (_outcome(0, "plain"), _outcome(1, "adapting", validators=BETTER))
    choice = _scenario().choose(_searched(*outcomes), _run({0: HALF, 1: ALMOST}))
    assert choice.finalist is not None
    assert choice.finalist.answers.tolist() == ALMOST.tolist()
    assert choice.changed == pytest.approx(0.1)


def test_what_is_rejected_has_no_say_in_the_choice_and_keeps_its_answers() -> None:
    outcomes = (_outcome(0, "plain"), _outcome(1, "adapting", validators=BETTER))
    searched = _searched(*outcomes)
    searched.context.judging = (False, False, *[True] * 38)
    choice = _scenario().choose(searched, _run({0: HALF, 1: ALMOST}))
    assert choice.changed == pytest.approx(2 / 38)  # two of the four that differ are rejected
    assert choice.finalist is not None
    assert len(choice.finalist.answers) == 40


@pytest.mark.parametrize(
    ("scores", "returned", "trial"), [(BETTER, "transfer", 1), (SCORES, "baseline", 0)]
)
def test_what_is_returned_is_the_checkpoint_of_the_trial_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch, scores: dict[str, float], returned: str, trial: int
) -> None:
    kept = SimpleNamespace()
    read = []

    def read_checkpoint(folder: str, registry: str) -> Any:
        read.append((folder, registry))
        return kept

    monkeypatch.setattr(module, "read_checkpoint", read_checkpoint)
    monkeypatch.setattr(module, "replace", lambda value, **changes: (value, changes))
    outcomes = (_outcome(0, "plain"), _outcome(1, "adapting", validators=scores))
    searched, run = _searched(*outcomes), _run({0: HALF, 1: ALMOST})
    choice = _scenario().choose(searched, run)
    scenario = _scenario()
    scenario._open_set = "what rejects"
    judged = scenario.judge(choice, searched, run)
    assert judged.verdict.decision is Decision.UNVERIFIED
    assert (judged.verdict.basis, judged.verdict.returned) == ("validators", returned)
    assert read == [(f"trial {trial}", "registry")]
    assert judged.kept == (kept, {"seen": ("d1",), "open_set": "what rejects"})
    assert judged.outcome.number == 1
    assert judged.provenance == {"baseline": "trial 0", "returned": f"trial {trial}"}


def test_scores_that_need_labels_cannot_rank() -> None:
    found = _scenario()
    found.request = SimpleNamespace(options=read_options({}))
    with pytest.raises(InvalidOptionError, match="estimators are for targets with labels"):
        found.rank(["logme"])


@pytest.mark.parametrize(("plan", "trials"), [(None, 9), ({"draw": {}}, 0)])
def test_once_labels_were_asked_for_nothing_more_is_tried(plan: Any, trials: int) -> None:
    run: Any = SimpleNamespace(
        request=SimpleNamespace(budget=SimpleNamespace(trials=9)),
        study=SimpleNamespace(recall=lambda key: plan if key == "audit" else None),
    )
    assert _scenario().num_trials(run) == trials


def test_no_trial_learns_from_or_is_judged_by_an_image_that_is_rejected() -> None:
    scenario, images = _scenario(), shapes(2, 60)
    part = divide_target(images.without_labels())
    scenario.problem = SimpleNamespace(source=SimpleNamespace(learn=images), target=part)
    scenario.request = SimpleNamespace(options=SimpleNamespace(seed=0))
    out, of_held_out = (np.arange(len(p)) % 5 == 0 for p in (part.learn, part.held_out))
    scenario.readers = {"tiny": lambda found: found}
    scenario._open_set = SimpleNamespace(
        found=True, source="tiny", judged=lambda found: (None, np.arange(len(found)) % 5 == 0)
    )
    context = scenario.context(SimpleNamespace(arms=ARMS))
    kept = [digest for digest, far in zip(part.learn.digests, out, strict=True) if not far]
    assert list(context.target.learn.digests) == kept
    assert context.target.held_out is part.held_out
    assert context.judging == tuple((~of_held_out).tolist())
    scenario._open_set = None
    context = scenario.context(SimpleNamespace(arms=ARMS))
    assert (context.target, context.judging) == (part, None)


def test_an_interrupted_search_asks_for_no_labels_so_that_it_can_be_resumed() -> None:
    outcomes = (_outcome(0, "plain"), _outcome(1, "adapting", validators=BETTER))
    searched, run = _searched(*outcomes), _run({0: HALF, 1: ALMOST}, audit_labels=10)
    run.clock, asked = SimpleNamespace(stopped=True), []
    run.study = SimpleNamespace(recall=lambda _: None, remember=lambda key, _: asked.append(key))
    found, verdict = _scenario(), object()
    choice = found.choose(searched, run)
    given: Any = (verdict, choice, range(40), ("ant", "bee"), run)
    assert with_audit(*given, rejected=lambda: HALF > 0) == (verdict, None)
    assert asked == []


def test_the_strategies_are_those_of_the_request_for_this_scenario(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, found = [], _scenario()

    def strategies_for(kind: ScenarioKind) -> tuple[str, ...]:
        asked.append(kind)
        return ("plain", "adapting")

    found.request = SimpleNamespace(
        options=read_options({}),
        registry=SimpleNamespace(strategy=str.upper, strategies={}),
        strategies_for=strategies_for,
        preset="preset",
    )
    found.sources = Sources((tiny_source(),), ())
    found.problem.domains = ()
    given = []

    def arms_without_labels(*arguments: Any, **_numbers: Any) -> tuple[Arms, list[Skipped]]:
        given.append(arguments)
        return ARMS, []

    monkeypatch.setattr(module, "arms_without_labels", arms_without_labels)
    monkeypatch.setattr(found, "_keep_affordable", lambda *_: None)
    monkeypatch.setattr(module, "last_resort", lambda *_: ())
    candidates = found.candidates(Ranking((), ("tiny",)), SimpleNamespace())
    assert asked == [ScenarioKind.UNLABELLED]
    ((shortlist, strategies, preset),) = given
    assert [source.name for source in shortlist] == ["tiny"]
    assert (strategies, preset) == (["PLAIN", "ADAPTING"], "preset")
    assert candidates.arms is ARMS
