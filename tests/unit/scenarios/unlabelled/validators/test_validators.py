from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.scenarios.unlabelled.validators import (
    DECIDING,
    LOGGED,
    Evidence,
    Mixed,
    validate,
)
from autotransfer.scenarios.unlabelled.validators.certainty import (
    bnm,
    diversity,
    infomax,
    negative_entropy,
    reason_against,
    snd,
)
from autotransfer.scenarios.unlabelled.validators.ensemble_agreement import (
    ensemble_agreement,
    plurality,
)
from autotransfer.scenarios.unlabelled.validators.importance import dev, iwcv
from autotransfer.scenarios.unlabelled.validators.mixval import mixval
from autotransfer.scenarios.unlabelled.validators.source_accuracy import (
    keeps_source,
    source_accuracy,
)
from autotransfer.scenarios.unlabelled.validators.target_features import (
    circular,
    class_ami,
    rank_me,
)

K = 3


def _evidence(target: NDArray[np.float64] | None = None) -> Evidence:
    """Two domains of three clusters that lie in the same place, perfectly predicted."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % K
    features = 10 * np.eye(K)[labels] + rng.normal(0, 0.1, (60, K))
    others = 10 * np.eye(K)[labels] + rng.normal(0, 0.1, (60, K))
    sure = np.eye(K)[labels]
    return Evidence(sure if target is None else target, features, sure, others, labels)


COLLAPSED = np.tile([1.0, 0.0, 0.0], (60, 1))
UNSURE = np.full((60, K), 1 / K)


def test_source_accuracy_counts_hits_and_the_gate_allows_two_points() -> None:
    evidence = _evidence()
    wrong = evidence.source_labels.copy()
    wrong[:6] = (wrong[:6] + 1) % K
    assert source_accuracy(replace(evidence, source_labels=wrong)) == pytest.approx(0.9)
    assert keeps_source(0.88, 0.9, 10**6)
    assert not keeps_source(0.87, 0.9, 10**6)
    assert keeps_source(0.851, 0.9, 100)  # the standard error is 0.03
    assert not keeps_source(0.849, 0.9, 100)


def test_entropy_rewards_collapse_where_infomax_does_not() -> None:
    assert negative_entropy(_evidence(COLLAPSED)) == pytest.approx(0.0)
    assert infomax(_evidence(COLLAPSED)) == pytest.approx(0.0)
    assert infomax(_evidence()) == pytest.approx(math.log(K))
    assert negative_entropy(_evidence(UNSURE)) == pytest.approx(-math.log(K))


def test_the_nuclear_norm_is_one_for_certain_and_equal_shares() -> None:
    assert bnm(_evidence()) == pytest.approx(1.0)
    assert bnm(_evidence(COLLAPSED)) == pytest.approx(1 / math.sqrt(K))


def test_a_collapsed_predictor_is_refused_by_its_diversity() -> None:
    assert diversity(_evidence()) == pytest.approx(1.0)
    assert reason_against(_evidence()) == ""
    assert "collapse" in reason_against(_evidence(COLLAPSED))
    shares = np.tile([0.45, 0.45, 0.1], (60, 1))
    assert "never predicts" in reason_against(_evidence(shares))


def _of_ten(shown: int, told: int, n: int = 240, *, sure: float = 0.96, seed: int = 0) -> Evidence:
    """A target with the first of ten classes, whose answers are the class modulo `told`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % shown
    centres = 10 * np.eye(10)
    features = centres[labels] + rng.normal(0, 1.0, (n, 10))
    said = np.full((n, 10), (1 - sure) / 9)
    said[np.arange(n), labels % told] = sure
    return Evidence(said, features, said, features, labels, frozen=features)


@pytest.mark.parametrize("shown", [2, 4, 7])
def test_a_right_predictor_passes_where_the_target_lacks_classes_of_the_source(
    shown: int,
) -> None:
    # diversity of four of ten: log 4 / log 10 = 0.6
    for seed in range(3):
        assert reason_against(_of_ten(shown, shown, seed=seed)) == ""


@pytest.mark.parametrize("told", [1, 2, 4, 7])
def test_a_predictor_that_merges_classes_is_refused(told: int) -> None:
    # as few classes are predicted, and as certainly; but the images fall into ten groups
    for seed in range(3):
        assert reason_against(_of_ten(10, told, seed=seed)) != ""


def test_features_that_were_adapted_to_merged_classes_are_no_proof_of_few_groups() -> None:
    # entropy minimisation collapses the features with the answers
    evidence = _of_ten(10, 4)
    centres = 10 * np.eye(10)[evidence.answers]
    adapted = centres + np.random.default_rng(2).normal(0, 0.1, centres.shape)
    assert reason_against(replace(evidence, target_features=adapted)) != ""
    assert reason_against(replace(_of_ten(4, 4), frozen=None)) != ""


def test_as_many_groups_as_images_are_no_better_than_few() -> None:
    assert reason_against(_of_ten(4, 4, n=10)) == ""


def test_few_classes_that_are_told_apart_by_chance_or_with_doubt_are_refused() -> None:
    evidence = _of_ten(4, 4)
    shuffled = evidence.target[np.random.default_rng(1).permutation(len(evidence.target))]
    assert reason_against(replace(evidence, target=shuffled)) != ""
    doubtful = 0.25 * np.eye(10)[:4].sum(axis=0) * 0.5 + 0.5 * evidence.target
    assert diversity(replace(evidence, target=doubtful)) < 0.7
    assert "collapse" in reason_against(replace(evidence, target=doubtful))


def test_clusters_agree_with_right_predictions_and_not_with_shuffled_ones() -> None:
    evidence = _evidence()
    assert class_ami(evidence) == pytest.approx(1.0)
    shuffled = evidence.target[np.random.default_rng(1).permutation(60)]
    assert abs(class_ami(_evidence(shuffled))) < 0.15


def test_circular_validation_is_perfect_for_right_pseudo_labels_and_zero_for_rotated_ones() -> (
    None
):
    evidence = _evidence()
    assert circular(evidence) == 1.0
    assert circular(_evidence(np.roll(evidence.target, 1, axis=1))) == 0.0
    with pytest.raises(UndefinedScoreError):
        circular(_evidence(COLLAPSED))


def test_mixval_is_the_mean_of_blends_within_and_between_classes() -> None:
    evidence = _evidence()
    first, second = np.array([0, 0, 1, 1]), np.array([3, 1, 2, 0])  # one within, three between
    predicted = np.eye(K)[[0, 0, 1, 0]]  # the within right, two of the three between right
    mixed = replace(evidence, mixed=Mixed(first, second, predicted))
    assert mixval(mixed) == pytest.approx((1 + 2 / 3) / 2)
    with pytest.raises(UndefinedScoreError):
        mixval(evidence)


def test_the_vote_counts_weights_and_agreement_counts_pictures() -> None:
    answers = np.array([[0, 1, 2], [0, 1, 1], [1, 1, 1]])
    vote = plurality(answers, K, np.array([1.0, 1.0, 0.5]))
    assert vote.tolist() == [0, 1, 1]
    assert ensemble_agreement(answers[0], vote) == pytest.approx(2 / 3)


def test_neighbourhood_density_prefers_the_collapsed_predictor_so_it_is_only_logged() -> None:
    assert snd(_evidence(COLLAPSED)) == pytest.approx(math.log(59))
    assert snd(_evidence(COLLAPSED)) > snd(_evidence())
    assert "snd" in LOGGED
    assert "snd" not in DECIDING


def test_without_a_shift_weighted_risks_are_about_the_plain_risk() -> None:
    evidence = _evidence()
    wrong = evidence.source_labels.copy()
    wrong[::5] = (wrong[::5] + 1) % K  # a fifth is wrong
    shifted = replace(evidence, source_labels=wrong)
    assert iwcv(evidence) == 0.0
    assert dev(evidence) == 0.0
    assert iwcv(shifted) == pytest.approx(-0.2, abs=0.08)
    assert dev(shifted) == pytest.approx(-0.2, abs=0.08)


def test_rank_me_counts_the_directions_of_the_features() -> None:
    evidence = replace(_evidence(), target_features=np.tile(np.eye(4), (5, 1)))
    assert rank_me(evidence) == pytest.approx(4.0, rel=1e-6)


def test_every_validator_has_a_value_except_those_that_say_why_not() -> None:
    found = validate(_evidence())
    assert set(found) == {*DECIDING, *LOGGED} - {"mixval"}
    assert all(math.isfinite(value) for value in found.values())


def test_where_the_class_shares_are_known_answers_have_to_be_as_diverse_as_these() -> None:
    four = np.array([0.25] * 4 + [0.0] * 6)
    known = replace(_of_ten(4, 4), frozen=None)  # nothing else speaks for so few classes
    assert "collapse" in reason_against(known)
    assert reason_against(replace(known, class_shares=four)) == ""
    merged = replace(_of_ten(4, 2), frozen=None, class_shares=four)
    assert "collapse" in reason_against(merged)
    skewed = np.array([0.4, 0.4, 0.1, 0.1] + [0.0] * 6)
    two = replace(_of_ten(4, 3, sure=0.7), frozen=None, class_shares=skewed)
    assert reason_against(two) == "it never predicts 1 of 10 classes"
