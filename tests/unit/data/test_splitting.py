from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold, hold_out, make_folds
from autotransfer.errors import InvalidTargetError


class Contents:
    """Images of which only the content matters."""

    def __init__(self, contents: Sequence[object]) -> None:
        self.names = [str(i) for i in range(len(contents))]
        self.digests = [str(content) for content in contents]

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        raise AssertionError("splitting looks at no pixel")


def images(labels: Sequence[int], contents: Sequence[object] | None = None) -> ImageSet:
    """Images with the labels; all different, or with the contents given."""
    known = range(len(labels)) if contents is None else contents
    return ImageSet(Contents(known), range(len(labels)), list(labels))


def ids(pictures: ImageSet, positions: NDArray[np.int64]) -> set[str]:
    return {pictures.digests[i] for i in positions}


labels_ = st.lists(st.integers(0, 4), min_size=4, max_size=80).filter(
    lambda labels: any(labels.count(label) > 1 for label in set(labels))
)
crowded = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 6)), min_size=4)


def check(pictures: ImageSet, folds: Sequence[Fold], groups: Sequence[str] | None) -> None:
    """What holds for any folds: a division, nothing on both sides, every class is learnt."""
    for fold in folds:
        both = np.concatenate([fold.train, fold.validation])
        assert sorted(both.tolist()) == list(range(len(pictures)))
        assert len(fold.validation) > 0
        assert not ids(pictures, fold.train) & ids(pictures, fold.validation)
        if groups is not None:
            assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.validation}
        assert set(pictures.labels[fold.train]) == set(pictures.labels)


@given(labels_, st.integers(0, 9))
def test_folds_of_different_pictures_are_stratified_within_one(
    labels: list[int], seed: int
) -> None:
    pictures = images(labels)
    folds = make_folds(pictures, seed=seed)
    check(pictures, folds, None)
    held_out = np.concatenate([fold.validation for fold in folds])
    counts = np.bincount(labels)
    single = np.isin(pictures.labels, np.flatnonzero(counts == 1))
    assert sorted(held_out.tolist()) == np.flatnonzero(~single).tolist()  # each exactly once
    for label in np.flatnonzero(counts > 1):
        parts = [int((pictures.labels[f.validation] == label).sum()) for f in folds]
        assert max(parts) - min(parts + [0] * (3 - len(folds))) <= 1


@given(crowded, st.integers(0, 9))
def test_pictures_of_one_content_or_group_stay_together(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    labels, contents, groups = (list(column) for column in zip(*rows, strict=True))
    names = [f"g{group}" for group in groups]
    pictures = images(labels, contents)
    for chosen in (None, names):
        try:
            folds = make_folds(pictures, seed=seed, groups=chosen)
        except InvalidTargetError:
            continue
        check(pictures, folds, chosen)


@given(st.tuples(*[st.integers(126, 200)] * 4), st.integers(0, 9))
def test_many_pictures_are_divided_once_a_quarter_of_each_class_validates(
    counts: tuple[int, ...], seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(range(4), counts))
    pictures = images(labels.tolist())
    (fold,) = make_folds(pictures, seed=seed)
    check(pictures, [fold], None)
    for label, count in enumerate(np.bincount(labels)):
        assert abs((pictures.labels[fold.validation] == label).sum() - count / 4) < 1


def test_the_seed_decides_the_folds() -> None:
    pictures = images([0, 1] * 20)
    first, again, other = (
        [fold.validation.tolist() for fold in make_folds(pictures, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_small_classes_do_not_all_validate_in_the_same_fold() -> None:
    folds = make_folds(images([label for label in range(30) for _ in range(2)]), seed=0)
    assert [len(fold.validation) for fold in folds] == [12] * 5


@pytest.mark.parametrize(
    ("counts", "folds"),
    [((8, 8, 8), 5), ((9, 9, 9), 3), ((3, 8, 30), 5), ((3, 9, 30), 3), ((5, 5, 0, 30, 30), 3)],
)
def test_there_are_five_folds_where_the_median_class_has_eight_pictures_or_fewer(
    counts: Sequence[int], folds: int
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    assert len(make_folds(images(labels), seed=0)) == folds


def test_with_many_pictures_one_fold_of_a_quarter_is_enough_however_few_a_class_has() -> None:
    labels = [label for label in range(126) for _ in range(4)]
    (fold,) = make_folds(images(labels), seed=0)
    assert len(fold.validation) == 126
    assert len(make_folds(images(labels), seed=0, every_item=True)) == 5


def test_a_class_with_one_picture_always_trains() -> None:
    for fold in make_folds(images([0, 0, 0, 1]), seed=0):
        assert 3 in fold.train


def test_pictures_that_cannot_be_held_out_are_refused() -> None:
    with pytest.raises(InvalidTargetError, match="no class has two different images"):
        make_folds(images([0, 0, 1, 1], ["a", "a", "b", "b"]), seed=0)
    with pytest.raises(InvalidTargetError, match="or groups"):
        make_folds(images([0, 0, 1, 1]), seed=0, groups=["g"] * 4)


@given(crowded, st.randoms(use_true_random=False))
def test_the_seal_depends_on_the_content_alone(
    rows: list[tuple[int, int, int]], random: Random
) -> None:
    def sealed(rows: list[tuple[int, int, int]]) -> set[str]:
        labels, contents, _ = zip(*rows, strict=True)
        pictures = images(labels, contents)
        open_, closed = hold_out(pictures, 0.5)
        assert sorted([*open_, *closed]) == list(range(len(rows)))
        assert not ids(pictures, open_) & ids(pictures, closed)
        for label in set(labels):
            own = np.flatnonzero(pictures.labels == label)
            different = ids(pictures, own)
            assert len(ids(pictures, np.intersect1d(own, open_))) >= min(2, len(different))
        return ids(pictures, closed)

    shuffled = list(rows)
    random.shuffle(shuffled)
    assert sealed(rows) == sealed(shuffled)


@given(st.sets(st.integers(), min_size=1, max_size=40), st.sets(st.integers(), max_size=40))
def test_the_seal_stays_when_pictures_are_added(before: set[int], added: set[int]) -> None:
    always_open = ["x3", "x5", "x9", "x11"]  # so that the class need not take anything back

    def sealed(contents: set[int]) -> set[str]:
        pictures = images([0] * (len(contents) + 4), [*always_open, *contents])
        return ids(pictures, hold_out(pictures, 0.5)[1])

    known = {str(content) for content in before}
    assert sealed(before | added) & known == sealed(before)


def test_about_a_quarter_is_sealed() -> None:
    pictures = images([0, 1] * 2000)
    assert len(hold_out(pictures)[1]) == pytest.approx(1000, abs=4 * np.sqrt(4000 * 0.25 * 0.75))


def test_known_contents_are_sealed_for_ever() -> None:
    """A change here would move images that earlier fits kept back."""
    pictures = images([0] * 24, [f"picture {i}" for i in range(24)])
    assert hold_out(pictures)[1].tolist() == [1, 3, 6, 7, 10, 11, 13, 16, 17, 23]


def test_a_class_takes_back_the_pictures_with_the_largest_hash() -> None:
    pictures = images([0, 0, 0, 0], ["a", "b", "c", "d"])
    open_, _ = hold_out(pictures, 0.999999)
    assert len(open_) == 2
    for fraction in (0.9, 0.5, 0.1):  # whoever is open stays open as less is held out
        assert set(open_) <= set(hold_out(pictures, fraction)[0])


def test_groups_are_sealed_whole_and_by_their_name() -> None:
    groups = [f"g{i // 10}" for i in range(400)]
    pictures = images([0] * 400)
    _, sealed = hold_out(pictures, groups=groups)
    assert 0 < len(sealed) < 400
    assert len(sealed) % 10 == 0
    others = images([0] * 400, [f"other {i}" for i in range(400)])
    assert hold_out(others, groups=groups)[1].tolist() == sealed.tolist()


def test_groups_that_share_a_picture_end_on_the_same_side() -> None:
    groups = [f"g{i}" for i in range(200)]
    contents = [i // 2 for i in range(200)]  # g0 and g1 share a content, and so on
    _, sealed = hold_out(images([0] * 200, contents), groups=groups)
    assert {i ^ 1 for i in sealed} == set(sealed.tolist())


def test_pictures_without_labels_can_be_sealed() -> None:
    assert len(hold_out(ImageSet(Contents(range(100)), range(100)))[1]) > 0


@pytest.mark.parametrize("fraction", [-0.1, 1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        hold_out(images([0, 1]), fraction)
