from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.holdout import divide, notes_on_classes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.label_files import Labelled, read_labels, with_labels
from autotransfer.data.splitting import Fold, only_tested
from autotransfer.data.target import Target
from autotransfer.errors import InvalidTargetError
from autotransfer.plugin.testing import shapes


def _target(images: ImageSet) -> Target:
    return Target("bars", images, None, None, images.class_names)


def _table(path: Path, *rows: str) -> str:
    path.write_text("\n".join(["image,label,drawn", *rows]), encoding="utf-8")
    return str(path)


def test_tables_are_read_in_the_order_of_the_set_with_blanks_of_chosen_images_left_out(
    tmp_path: Path,
) -> None:
    images = shapes(2, 3, seed=0).without_labels()
    first = _table(
        tmp_path / "a.csv", f"{images.names[4]},dog,random", f"{images.names[1]},,chosen"
    )
    second = _table(tmp_path / "b.csv", f"{images.names[0]},cat,chosen")
    found = read_labels([first, second], images, "the images")
    assert found.positions == (0, 4)
    assert found.labels == ("cat", "dog")
    assert found.random == (False, True)
    assert found.notes == ("a.csv: 1 row(s) without a label left out",)


def test_two_tables_that_disagree_are_refused(tmp_path: Path) -> None:
    images = shapes(2, 3, seed=0).without_labels()
    first = _table(tmp_path / "a.csv", f"{images.names[0]},dog,random")
    second = _table(tmp_path / "b.csv", f"{images.names[0]},cat,random")
    with pytest.raises(InvalidTargetError, match=r"labelled 'dog', 'cat'; it can have one"):
        read_labels([first, second], images, "the images")


def test_two_rows_of_one_table_that_disagree_are_refused(tmp_path: Path) -> None:
    images = shapes(2, 3, seed=0).without_labels()
    rows = (f"{images.names[0]},dog,random", f"{images.names[0]},cat,random")
    with pytest.raises(InvalidTargetError, match=r"labelled 'dog', 'cat'; it can have one"):
        read_labels([_table(tmp_path / "a.csv", *rows)], images, "the images")


def test_an_accent_in_two_characters_is_the_same_label(tmp_path: Path) -> None:
    images = shapes(2, 3, seed=0).without_labels()
    rows = (f"{images.names[0]},cafe\u0301,random", f"{images.names[0]},caf\u00e9,random")
    found = read_labels([_table(tmp_path / "a.csv", *rows)], images, "the images")
    assert found.labels == ("caf\u00e9",)


def test_a_class_that_is_not_named_as_new_is_refused_and_one_that_is_stands_at_the_end() -> None:
    images = shapes(2, 8, seed=0)
    known, pool = images.subset(np.arange(10)), images.subset(np.arange(10, 16)).without_labels()
    found = Labelled((0, 2), ("zebra", "zebra"), (True, False))
    with pytest.raises(InvalidTargetError, match="--new-class 'zebra'"):
        with_labels(_target(known), pool, found)
    joined = with_labels(_target(known), pool, found, ["zebra"])
    assert joined.class_names == (*images.class_names, "zebra")
    assert joined.train.labels[-2:].tolist() == [2, 2]
    assert joined.train.labels[:10].tolist() == known.labels.tolist()
    assert joined.untested == (*[False] * 10, False, True)
    assert joined.train.names[-1] == pool.names[2]


def test_labels_alone_make_a_target(tmp_path: Path) -> None:
    images = shapes(2, 4, seed=0)
    rows = [f"{n},{images.class_names[k]},random" for n, k in zip(images.names, images.labels,
                                                                  strict=True)]  # fmt: skip
    pool = images.without_labels()
    found = read_labels([_table(tmp_path / "all.csv", *rows)], pool, "the images")
    target = with_labels(None, pool, found)
    assert target.class_names == images.class_names
    assert target.train.labels.tolist() == images.labels.tolist()
    with pytest.raises(InvalidTargetError, match="too few labelled images"):
        with_labels(None, pool, Labelled((0, 1), ("a", "b"), (True, True)))


def test_what_was_chosen_trains_in_every_fold_and_validates_in_none() -> None:
    folds = (Fold(np.array([2, 3]), np.array([0, 1])), Fold(np.array([0, 1]), np.array([2, 3])))
    found = only_tested(folds, np.array([True, False, True, True]))
    (only,) = found
    assert only.validation.tolist() == [1]
    assert only.train.tolist() == [0, 2, 3]
    with pytest.raises(InvalidTargetError, match="none can test"):
        only_tested(folds, np.ones(4, dtype=bool))


def test_from_a_thousand_images_on_none_that_was_chosen_is_held_out() -> None:
    images = shapes(2, 510, seed=0)
    untested = tuple(i % 2 == 0 for i in range(len(images)))
    plain = divide(_target(images))
    assert plain.held_out is not None
    target = Target("bars", images, None, None, images.class_names, untested=untested)
    division = divide(target)
    assert division.held_out is not None
    assert division.untested is not None
    chosen = {d for d, out in zip(images.digests, untested, strict=True) if out}
    assert not chosen & set(division.held_out.digests)
    assert set(division.held_out.digests) <= set(plain.held_out.digests)
    assert division.untested.sum() == len(images) // 2
    for fold in division.folds(0):
        assert not division.untested[fold.validation].any()


def test_one_class_of_random_images_cannot_test_and_the_error_says_what_to_do() -> None:
    images = shapes(2, 8, seed=0)
    untested = tuple(k == 1 for k in images.labels.tolist())
    division = divide(Target("bars", images, None, None, images.class_names, untested=untested))
    with pytest.raises(InvalidTargetError, match="only 8 labelled images may test"):
        notes_on_classes(division, division.folds(0), None)
