from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotransfer.data import holdout
from autotransfer.data.holdout import divide, notes_on_classes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import Target, open_target
from autotransfer.errors import InvalidTargetError


def _noise(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)
    return pictures, np.arange(n) % 4


def test_below_a_thousand_pictures_nobody_is_sealed_and_everybody_validates() -> None:
    division = divide(open_target(_noise(999)))
    assert division.held_out is None
    held_out = np.concatenate([fold.validation for fold in division.folds(0)])
    assert sorted(held_out.tolist()) == list(range(999))


def test_from_a_thousand_on_a_quarter_is_sealed_whatever_the_seed() -> None:
    target = open_target(_noise(1200))
    division = divide(target)
    assert division.held_out is not None
    assert len(division.held_out) == pytest.approx(300, abs=45)
    assert len(division.images) + len(division.held_out) == 1200
    assert not set(division.images.digests) & set(division.held_out.digests)
    assert len(division.folds(0)) == 1


def test_sealing_is_stable_when_pictures_are_added() -> None:
    pictures, labels = _noise(1500)
    fewer = divide(open_target((pictures[:1200], labels[:1200])))
    more = divide(open_target((pictures, labels)))
    assert fewer.held_out is not None
    assert more.held_out is not None
    assert set(fewer.held_out.digests) <= set(more.held_out.digests)


def test_copies_stay_on_one_side_of_every_fold(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(24):
        coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
        large = coarse.resize((80, 80), Image.Resampling.BICUBIC)
        folder = tmp_path / "photos" / f"class {i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        large.save(folder / f"{i:02d}.png")
        if i < 6:
            large.resize((50, 50), Image.Resampling.BICUBIC).save(folder / f"{i:02d} small.jpg")
    division = divide(open_target(tmp_path / "photos"))
    assert any("6 pair(s)" in note for note in division.notes)
    units = division.units
    assert len(np.unique(units)) == 24
    for fold in division.folds(3):
        assert not set(units[fold.train]) & set(units[fold.validation])


def test_a_test_picture_that_shows_a_training_picture_is_reported(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for i in range(8):
        coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
        large = coarse.resize((80, 80), Image.Resampling.BICUBIC)
        for split in ("train", "test") if i < 4 else ("train",):
            folder = tmp_path / "photos" / split / f"class {i % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            side = 80 if split == "train" else 60
            large.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    division = divide(open_target(tmp_path / "photos"))
    assert any(note.startswith("4 image(s) of the test") for note in division.notes)


def test_features_are_divided_without_being_looked_at() -> None:
    class Unreadable:
        names = digests = tuple(str(i) for i in range(18))

        def read(self, index: int, min_side: int | None = None) -> Image.Image:
            raise AssertionError("a feature is no image")

    target = open_target(_noise(8))
    items = ImageSet(Unreadable(), range(18), [0, 1] * 9, ("a", "b"))
    division = divide(type(target)("features", items, None, None, ("a", "b")), readable=False)
    assert division.held_out is None
    assert len(division.folds(0)) == 3


def _grouped(n: int) -> tuple[Target, dict[str, str]]:
    """Return a target in groups of three, and the group of each image by its content."""
    target = open_target(_noise(n))
    names = tuple(f"patient {i % (n // 3)}" for i in range(n))
    return replace(target, groups=names), dict(zip(target.train.digests, names, strict=True))


def test_each_picture_keeps_its_own_group_when_others_are_sealed() -> None:
    target, group_of = _grouped(1200)
    division = divide(target, readable=False)
    assert division.held_out is not None
    assert division.groups == tuple(group_of[digest] for digest in division.images.digests)
    units = [group_of[digest] for digest in division.held_out.digests]
    assert not set(units) & set(division.groups)
    first = {group: units.index(group) for group in units}
    same = np.array([first[group] for group in units])
    assert (np.equal.outer(same, same) == np.equal.outer(*[division.held_out_units] * 2)).all()
    for fold in division.folds(0):
        learnt = {division.groups[i] for i in fold.train}
        assert not learnt & {division.groups[i] for i in fold.validation}


def test_pairs_are_counted_among_the_open_pictures_when_others_are_sealed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = open_target(_noise(1200))
    pairs = np.array([[2 * i, 2 * i + 1] for i in range(100)])
    twins = {frozenset(target.train.digests[i] for i in pair) for pair in pairs}
    monkeypatch.setattr(holdout, "near_duplicates", lambda *_: pairs)
    division = divide(target)
    assert 0 < len(division.same) < 100
    for pair in division.same:
        assert frozenset(division.images.digests[i] for i in pair) in twins
    units = division.units
    assert len(np.unique(units)) == len(units) - len(division.same)


def test_copies_within_the_users_own_test_are_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    # of twelve images the last four are the test: its first and last show the same
    opened = open_target(_noise(12))
    train, sealed = opened.train.subset(range(8)), opened.train.subset(range(8, 12))
    pairs = np.array([[0, 1], [2, 9], [8, 11]])
    monkeypatch.setattr(holdout, "near_duplicates", lambda *_: pairs)
    division = divide(replace(opened, train=train, held_out=sealed))
    assert division.same.tolist() == [[0, 1]]
    same = np.equal.outer(*[division.held_out_units] * 2)
    assert np.argwhere(np.triu(same, 1)).tolist() == [[0, 3]]


def test_a_group_within_the_users_own_test_is_one_unit() -> None:
    opened = open_target(_noise(12))
    train, sealed = opened.train.subset(range(8)), opened.train.subset(range(8, 12))
    own = replace(opened, train=train, held_out=sealed, held_out_groups=tuple("pqqp"))
    units = divide(own, readable=False).held_out_units
    assert np.equal.outer(units, units).sum(axis=1).tolist() == [2] * 4
    assert units[0] == units[3] != units[1]


def _notes(target: Target) -> tuple[str, ...]:
    division = divide(target, readable=False)
    return notes_on_classes(division, division.folds(0), target.validation)


def _of(labels: str, groups: str | None = None) -> Target:
    pixels, _ = _noise(len(labels))
    target = open_target((pixels, list(labels)))
    return replace(target, groups=None if groups is None else tuple(groups))


def test_a_class_that_lies_in_one_group_is_named_as_never_told() -> None:
    assert _notes(_of("aaabbbccc", "pqrpqrpqr")) == ()
    (note,) = _notes(_of("aaabbbccc", "pqrpqrsss"))
    assert note.startswith("there is no image for validation and test of 'c', so no score of ")
    (note,) = _notes(_of("aaaabbbbccccdddd", "pqrspqrsxxxxyyyy"))
    assert "of 'c', 'd', so" in note


def test_a_target_of_which_one_class_alone_could_be_validated_is_refused() -> None:
    with pytest.raises(InvalidTargetError, match="all images of 'a' are one group, or show the s"):
        _notes(_of("aaaaabbbbb", "xxxxxpqrst"))
    pixels, _ = _noise(8)
    pixels[:4] = pixels[0]  # copies
    with pytest.raises(InvalidTargetError, match="add images of other groups"):
        _notes(open_target((pixels, list("aaaabbbb"))))


def test_a_class_that_the_users_own_split_lacks_is_named() -> None:
    target = _of("aaaabbbbcccc")
    own = replace(target, held_out=target.train.subset(range(6)))  # a and b
    (note,) = _notes(own)
    assert note.startswith("there is no image for test of 'c', so no score of test says")
    notes = _notes(replace(own, validation=target.train.subset([0, 8])))  # a and c
    assert [note[:39] for note in notes] == [
        "there is no image for validation of 'b'",
        "there is no image for test of 'c', so n",
    ]
    first, _ = _notes(replace(own, validation=target.train.subset([4, 5])))
    assert "validation of 'a', 'c'" in first  # one class alone is the user's own choice


def test_a_class_of_which_a_quarter_by_content_takes_none_is_named() -> None:
    pixels, labels = _noise(1100)
    names = np.array(["a", "b", "c", "d"], dtype=object)[labels]
    names[:2] = "rare"  # two are always kept open
    notes = _notes(open_target((pixels, list(names))))
    assert any("test of 'rare', so no score" in note for note in notes)
