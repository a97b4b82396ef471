from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.unlabelled.consensus import Candidate, Choice, across, label_free_score
from autotransfer.unlabelled.consensus import decide as decide_among
from autotransfer.unlabelled.wording import sentence_of

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
        standing=number,
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


def test_a_change_of_most_answers_needs_three_families_and_at_most_one_against_it() -> None:
    elsewhere = (_answers(0) + 2) % K
    finalist = _candidate(1, "mcc", 0.8, answers=elsewhere)
    against = replace(finalist, scores={**finalist.scores, "mixval": 0.1})
    torn = replace(against, scores={**against.scores, "circular": 0.1})
    assert decide([PLAIN, against], K).chosen.strategy == "mcc"
    refused = decide([PLAIN, torn], K)
    assert refused.changed == 1.0
    assert refused.chosen is refused.baseline
    two = {"mixval": 0.6, "infomax": 0.6}  # no opinion, and a family that is divided
    few = replace(finalist, scores={**finalist.scores, **two})
    assert decide([PLAIN, few], K).chosen.strategy == "source-only"
    assert decide([replace(PLAIN, fault="collapse"), few], K).chosen.strategy == "mcc"


def test_what_moved_the_source_away_is_not_judged_by_it() -> None:
    aligned = _candidate(1, "feature-coral", 0.8, moves_source=True)
    aligned = replace(aligned, scores={**aligned.scores, "source-accuracy": 0.2})
    assert decide([PLAIN, aligned], K).chosen.strategy == "feature-coral"


def test_equal_methods_are_told_apart_by_their_standing() -> None:
    first = _candidate(1, "dann", 0.8, standing=5)
    second = _candidate(2, "mcc", 0.8, standing=1)
    assert decide([PLAIN, first, second], K).chosen.strategy == "mcc"


def test_the_search_score_leaves_out_what_is_optimised_and_punishes_faults() -> None:
    scores = {"infomax": np.log(4), "bnm": 0.5, "class-ami": 0.3, "mixval": 0.6}
    assert label_free_score(scores, (), 4, fault=False) == pytest.approx(0.6)
    assert label_free_score(scores, ("infomax", "bnm"), 4, fault=False) == pytest.approx(0.45)
    assert label_free_score(scores, (), 4, fault=True) < 0


def test_without_source_only_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="does not adapt"):
        decide([_candidate(1, "mcc", 0.8)], K)


def _judged(number: int, strategy: str, agreement: float, circular: float) -> Candidate:
    """Return a method with given values of the two validators that compare methods."""
    candidate = _candidate(number, strategy, 0.8)
    scores = {**candidate.scores, "ensemble-agreement": agreement, "circular": circular}
    return replace(candidate, scores=scores)


def test_where_the_validators_disagree_across_methods_the_standing_decides() -> None:
    mcc, coral = _judged(1, "mcc", 0.90, 0.80), _judged(2, "deep-coral", 0.80, 0.90)
    assert across([coral, mcc]).strategy == "mcc"


def test_where_they_agree_across_methods_they_decide() -> None:
    mcc, coral = _judged(1, "mcc", 0.80, 0.80), _judged(2, "deep-coral", 0.90, 0.90)
    assert across([mcc, coral]).strategy == "deep-coral"


def test_less_than_a_point_is_level_across_methods() -> None:
    mcc, coral = _judged(1, "mcc", 0.895, 0.895), _judged(2, "deep-coral", 0.90, 0.90)
    assert across([coral, mcc]).strategy == "mcc"
