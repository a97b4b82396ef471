from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.transferability.ranking.consensus import mean_ranks, places

FAMILIES = {"logme": "linear fit", "h-score": "linear fit", "knn": "neighbours"}


def test_the_mean_is_over_families_and_a_family_counts_once() -> None:
    scores = [
        {"logme": 3.0, "h-score": 3.0, "knn": 0.1},  # ranks 1, 1 -> 1 and 3: mean 2
        {"logme": 2.0, "h-score": 1.0, "knn": 0.3},  # ranks 2, 3 -> 2.5 and 1: mean 1.75
        {"logme": 1.0, "h-score": 2.0, "knn": 0.2},  # ranks 3, 2 -> 2.5 and 2: mean 2.25
    ]
    np.testing.assert_allclose(mean_ranks(scores, FAMILIES), [2.0, 1.75, 2.25])


def test_equal_scores_share_a_rank() -> None:
    families = {"logme": "a", "knn": "b"}
    scores = [{"logme": 1.0, "knn": 0.5}, {"logme": 2.0, "knn": 0.5}]
    np.testing.assert_allclose(mean_ranks(scores, families), [(2 + 1.5) / 2, (1 + 1.5) / 2])


def test_a_score_that_a_source_lacks_is_left_out_for_it() -> None:
    families = {"logme": "a", "leep": "b"}
    scores = [{"logme": 3.0}, {"logme": 2.0, "leep": -1.0}, {"logme": 1.0, "leep": -2.0}]
    # leep ranks two of three sources: places 1 and 2 of 2 are 1.25 and 2.75 of 3
    np.testing.assert_allclose(mean_ranks(scores, families), [1.0, (2 + 1.25) / 2, (3 + 2.75) / 2])


def test_nan_is_undefined_and_a_source_without_any_score_is_last() -> None:
    families = {"logme": "a"}
    scores = [{}, {"logme": 1.0}, {"logme": float("nan")}]
    found = mean_ranks(scores, families)
    assert found[1] < found[0]
    assert found[1] < found[2]


def test_places_keep_the_order_of_the_catalogue_in_a_tie() -> None:
    np.testing.assert_array_equal(places(np.array([2.0, 1.0, 2.0, 0.5])), [3, 2, 4, 1])


_rows = st.lists(
    st.fixed_dictionaries({name: st.integers(-5, 5).map(float) for name in FAMILIES}),
    min_size=1,
    max_size=8,
)


@given(_rows, st.data())
def test_a_copy_of_a_source_changes_nothing_for_the_others(
    scores: list[dict[str, float]], data: st.DataObject
) -> None:
    copied = data.draw(st.integers(0, len(scores) - 1))
    before = mean_ranks(scores, FAMILIES)
    after = mean_ranks([*scores, dict(scores[copied])], FAMILIES)
    np.testing.assert_allclose(after[:-1], before)
    assert after[-1] == after[copied]


@given(_rows)
def test_ranks_lie_between_one_and_the_number_of_sources(scores: list[dict[str, float]]) -> None:
    found = mean_ranks(scores, FAMILIES)
    assert (found >= 1).all()
    assert (found <= len(scores)).all()


@given(_rows, st.integers(1, 7))
def test_a_growing_function_of_a_score_changes_nothing(
    scores: list[dict[str, float]], factor: int
) -> None:
    grown = [{**score, "knn": factor * score["knn"] ** 3} for score in scores]
    np.testing.assert_allclose(mean_ranks(grown, FAMILIES), mean_ranks(scores, FAMILIES))


@given(_rows, st.randoms(use_true_random=False))
def test_the_order_of_the_catalogue_does_not_matter(
    scores: list[dict[str, float]], random: object
) -> None:
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = mean_ranks([scores[i] for i in order], FAMILIES)
    np.testing.assert_allclose(shuffled, mean_ranks(scores, FAMILIES)[order])
