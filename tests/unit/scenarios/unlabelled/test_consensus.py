from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.scenarios.unlabelled.consensus import (
    Candidate,
    Choice,
    across,
    label_free_score,
    sentence_of,
)
from autotransfer.scenarios.unlabelled.consensus import decide as decide_among

K = 4
TRUTH = np.arange(100) % K


def _answers(wrong: int) -> NDArray[np.int64]:
    answers = TRUTH.copy()
    answers[:wrong] = (answers[:wrong] + 1) % K
    return answers


def _candidate(number: int, strategy: str, quality: float, **changes: object) -> Candidate:
    names = ("infomax", "bnm", "class-ami", "mixval", "circular")
    scores = {**dict.fromkeys(names, quality), "source-accuracy": 0.95}
    candidate = Candidate(
        number=number,
        source="net",
        strategy=strategy,
        adapts=strategy != "source-only",
        priority=number,
        optimises=frozenset(),
        scores=scores,
        answers=_answers(round(100 * (1 - quality))),
    )
    return replace(candidate, **changes)  # type: ignore[arg-type]


def decide(candidates: list[Candidate], num_classes: int) -> Choice:
    return decide_among(candidates, num_classes, num_source=100_000)


PLAIN = _candidate(0, "source-only", 0.6)


def test_a_method_that_all_validators_prefer_replaces_source_only() -> None:
    choice = decide([PLAIN, _candidate(1, "mcc", 0.8), _candidate(2, "dann", 0.7)], K)
    assert choice.chosen.strategy == "mcc"
    assert {"circular validation", "MixVal", "ClassAMI"} <= set(choice.preferring)
    assert choice.opposing == ()
    assert "proves" in sentence_of(choice)
    assert sentence_of(choice).startswith("unverified")


def test_a_method_that_one_family_prefers_does_not() -> None:
    only_ami = _candidate(1, "mcc", 0.6)
    only_ami = replace(only_ami, scores={**only_ami.scores, "class-ami": 0.9})
    choice = decide([PLAIN, only_ami], K)
    assert choice.chosen is choice.baseline
    assert "only ClassAMI prefers it" in choice.refused


def test_a_validator_that_a_method_optimises_does_not_speak_for_it() -> None:
    optimises = frozenset({"infomax", "bnm", "class-ami", "mixval"})
    vain = _candidate(1, "mcc", 0.9, optimises=optimises)
    vain = replace(vain, scores={**vain.scores, "circular": 0.1}, answers=_answers(60))
    choice = decide([PLAIN, vain], K)
    assert choice.preferring == ()
    assert choice.chosen is choice.baseline


def test_a_method_that_forgets_the_source_is_refused_at_the_gate() -> None:
    forgetful = _candidate(1, "dann", 0.9)
    forgetful = replace(forgetful, scores={**forgetful.scores, "source-accuracy": 0.92})
    choice = decide([PLAIN, forgetful], K)
    assert choice.finalist is None
    assert choice.chosen is choice.baseline
    assert "forgets the source" in choice.faults[1]


def test_a_collapsed_candidate_neither_wins_nor_votes() -> None:
    fallen = [
        _candidate(n, f"method-{n}", 0.99, fault="collapse", answers=np.zeros(100, int))
        for n in (1, 2, 3)
    ]
    choice = decide([PLAIN, *fallen, _candidate(4, "mcc", 0.7)], K)
    assert choice.chosen.strategy == "mcc"


def test_where_as_many_families_oppose_source_only_stays_unless_most_answers_change() -> None:
    near = _candidate(1, "mcc", 0.9)
    near = replace(near, scores={**near.scores, "mixval": 0.1, "class-ami": 0.1})
    torn = decide([PLAIN, near], K)
    assert len(torn.preferring) == len(torn.opposing) == 2
    assert torn.changed < 0.5
    assert torn.chosen is torn.baseline
    assert "MixVal and ClassAMI oppose it" in torn.refused
    far = replace(near, answers=(TRUTH + 2) % K)
    replaced = decide([PLAIN, far], K)
    assert replaced.chosen.strategy == "mcc"
    assert "(MixVal and ClassAMI against)" in sentence_of(replaced)
    opposed = replace(far, scores={**far.scores, "circular": 0.1})
    assert decide([PLAIN, opposed], K).chosen.strategy == "source-only"


def test_what_moved_the_source_away_is_not_judged_by_it() -> None:
    aligned = _candidate(1, "feature-coral", 0.8, shifts_source_features=True)
    aligned = replace(aligned, scores={**aligned.scores, "source-accuracy": 0.2})
    assert decide([PLAIN, aligned], K).chosen.strategy == "feature-coral"


def test_equal_methods_are_told_apart_by_their_standing() -> None:
    first = _candidate(1, "dann", 0.8, priority=5)
    second = _candidate(2, "mcc", 0.8, priority=1)
    assert decide([PLAIN, first, second], K).chosen.strategy == "mcc"


def test_the_search_score_leaves_out_what_is_optimised_and_punishes_faults() -> None:
    scores = {"infomax": np.log(4), "bnm": 0.5, "class-ami": 0.3, "mixval": 0.6}
    assert label_free_score(scores, (), 4, fault=False) == pytest.approx(0.6)
    assert label_free_score(scores, ("infomax", "bnm"), 4, fault=False) == pytest.approx(0.45)
    assert label_free_score(scores, (), 4, fault=True) < 0


def test_without_source_only_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="does not adapt"):
        decide([_candidate(1, "mcc", 0.8)], K)


def _judged(
    number: int, strategy: str, quality: float, agreement: float, **changes: object
) -> Candidate:
    """Return a method with one value of all validators, and another of the agreement."""
    candidate = _candidate(number, strategy, quality, **changes)
    return replace(candidate, scores={**candidate.scores, "ensemble-agreement": agreement})


def test_across_methods_the_standing_decides_where_one_family_does_not_prefer_another() -> None:
    mcc, coral = _judged(1, "mcc", 0.80, 0.90), _judged(2, "deep-coral", 0.90, 0.90)
    assert across([coral, mcc]).strategy == "mcc"


def test_a_method_that_every_family_prefers_goes_before_the_better_standing() -> None:
    mcc, coral = _judged(1, "mcc", 0.80, 0.80), _judged(2, "deep-coral", 0.90, 0.90)
    assert across([mcc, coral]).strategy == "deep-coral"


def test_less_than_a_point_is_no_preference_across_methods() -> None:
    mcc, coral = _judged(1, "mcc", 0.895, 0.895), _judged(2, "deep-coral", 0.90, 0.90)
    assert across([coral, mcc]).strategy == "mcc"


def test_families_that_either_method_optimises_do_not_compare_the_two() -> None:
    certain = frozenset({"infomax", "bnm"})
    mcc = _judged(1, "mcc", 0.80, 0.80, optimises=certain)
    coral = _judged(2, "deep-coral", 0.90, 0.90)
    more_certain = replace(mcc, scores={**mcc.scores, "infomax": 0.99, "bnm": 0.99})
    assert across([more_certain, coral]).strategy == "deep-coral"


def test_among_methods_of_one_standing_agreement_and_circular_validation_decide() -> None:
    first = _judged(1, "mine", 0.80, 0.80, priority=100)
    second = _judged(2, "yours", 0.80, 0.85, priority=100)
    assert across([first, second]).strategy == "yours"
