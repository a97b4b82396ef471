"""Who is held out, who belongs together, and the folds of the search."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.domains import domain_folds
from autotransfer.data.image_set import ImageSet
from autotransfer.data.listing import named
from autotransfer.data.near_duplicates import near_duplicates, related_notes
from autotransfer.data.splitting import (
    HELD_OUT_FROM,
    NO_PAIRS,
    Fold,
    hold_out,
    make_folds,
    only_tested,
    units_of,
)
from autotransfer.data.target import Target
from autotransfer.errors import DataWarning, InvalidTargetError


@dataclass(frozen=True)
class Division:
    """The images of the search and those of the guard.

    Args:
        images: The open images of the search.
        held_out: Those of the guard; None where the selection is cross-fitted instead.
        groups: Group of each open image; None without groups.
        same: (p, 2) positions of open images that show the same.
        held_out_units: Number of the unit of each held-out item.
        notes: What was decided, in sentences.
        held_out_classes: Classes of which there is a held-out item.
        untested: (n,) whether an open image only trains; None where all may test.
        by_domain: Whether the groups are domains, each of which is left out in turn.
    """

    images: ImageSet
    held_out: ImageSet | None
    groups: tuple[str, ...] | None
    same: NDArray[np.int64]
    held_out_units: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    held_out_classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    untested: NDArray[np.bool_] | None = None
    by_domain: bool = False

    @property
    def units(self) -> NDArray[np.int64]:
        """Return the (n,) number of the unit that each open image belongs to."""
        return units_of(self.images, self.groups, self.same)

    @property
    def domains(self) -> tuple[str, ...] | None:
        """Return the name of the domain of each open image; None without domains."""
        return self.groups if self.by_domain else None

    def among(self, kept: NDArray[np.int64]) -> Division:
        """Return the division with some of the open images only, by their sorted positions."""
        groups = None if self.groups is None else tuple(self.groups[i] for i in kept)
        images, same = self.images.subset(kept), _among(self.same, kept)
        untested = None if self.untested is None else self.untested[kept]
        return replace(self, images=images, groups=groups, same=same, untested=untested)

    def folds(self, seed: int) -> tuple[Fold, ...]:
        """Return the folds of the search; every image validates once where none is held out."""
        if self.by_domain:
            assert self.groups is not None
            return domain_folds(self.images, self.groups)
        folds = make_folds(
            self.images,
            seed=seed,
            groups=self.groups,
            same=self.same,
            every_item=self.held_out is None,
        )
        return folds if self.untested is None else only_tested(folds, self.untested)


def divide(opened: Target, *, readable: bool = True) -> Division:
    """Return who is held out: the user's own test split, or a quarter by content, or nobody.

    Below 1000 images nobody is: the guard then tests out-of-fold predictions.

    Args:
        opened: The labelled target.
        readable: Whether its items can be looked at; features cannot.
    """
    if opened.held_out is not None:
        return _with_own_test(opened, opened.held_out, readable=readable)
    same = near_duplicates(opened.train) if readable else NO_PAIRS
    if opened.by_domain:
        return _by_domain(opened, same)
    notes = _notes(len(same), f"training {opened.train.modality.plural}")
    if readable and opened.groups is None:
        notes += related_notes(opened.train)
    nobody, untested = np.zeros(0, dtype=np.int64), _untested(opened)
    if len(opened.train) < HELD_OUT_FROM:
        return Division(opened.train, None, opened.groups, same, nobody, notes, untested=untested)
    free, held_out = hold_out(opened.train, groups=opened.groups, same=same)
    units = units_of(opened.train, opened.groups, same)
    if untested is not None:
        taught = np.isin(units[held_out], units[untested])
        free, held_out = np.union1d(free, held_out[taught]), held_out[~taught]
    groups = None if opened.groups is None else tuple(opened.groups[i] for i in free)
    return Division(
        opened.train.subset(free),
        opened.train.subset(held_out),
        groups,
        _among(same, free),
        units[held_out],
        notes,
        np.unique(opened.train.labels[held_out]),
        None if untested is None else untested[free],
    )


def _by_domain(opened: Target, same: NDArray[np.int64]) -> Division:
    """Return a division that holds nobody out: each domain tests what the others teach."""
    domains = np.array(opened.groups)
    across = int((domains[same[:, 0]] != domains[same[:, 1]]).sum())
    notes = () if not across else (
        f"{across} pair(s) of {opened.train.modality.plural} of different domains show the same, "
        "so a domain that is left out is not quite unseen; leave one of each pair out",
    )  # fmt: skip
    nobody = np.zeros(0, dtype=np.int64)
    return Division(opened.train, None, opened.groups, NO_PAIRS, nobody, notes, by_domain=True)


def notes_on_classes(
    division: Division, folds: Sequence[Fold], validation: ImageSet | None
) -> tuple[str, ...]:
    """Return notes on classes that no score can say anything about.

    A class of which all images are one group, or show the same, always trains; a user's own
    split may lack a class, and so may a quarter by content.

    Args:
        division: Who is held out.
        folds: The folds of the search.
        validation: The user's own validation split; None where the folds validate.

    Raises:
        InvalidTargetError: If fewer than two classes could be validated in the folds.
    """
    images = division.images
    in_folds = images.labels[np.concatenate([fold.validation for fold in folds])]
    validated = in_folds if validation is None else validation.labels
    tested = validated if division.held_out is None else division.held_out_classes
    lacking = [
        [images.class_names[k] for k in np.setdiff1d(images.labels, labels)]
        for labels in (validated, tested)
    ]
    if validation is None and len(np.unique(validated)) < 2 and division.untested is not None:
        raise InvalidTargetError(
            f"only {int((~division.untested).sum())} labelled images may test, and they are of "
            "one class; another round of `autotransfer label` draws more at random"
        )
    if validation is None and len(np.unique(validated)) < 2:
        raise InvalidTargetError(
            f"all {images.modality.plural} of {named(lacking[0])} are one group, or show the "
            "same, so they are needed for training and cannot be validated: any answer would be "
            f"right; add {images.modality.plural} of other groups, or leave the column of groups "
            "out"
        )
    parts = ["validation and test"] if lacking[0] == lacking[1] else ["validation", "test"]
    return tuple(
        f"there is no {images.modality} for {part} of {named(names)}, so no score of {part} says "
        f"how well it is told; add different {images.modality.plural} of it (of another group, "
        "where there are groups)"
        for part, names in zip(parts, lacking, strict=False)
        if names
    )


def _with_own_test(opened: Target, held_out: ImageSet, *, readable: bool) -> Division:
    n = len(opened.train)
    same = near_duplicates(opened.train, held_out) if readable else NO_PAIRS
    within, tested = same[(same < n).all(axis=1)], same[(same >= n).all(axis=1)] - n
    across = len(np.unique(same[(same[:, 0] < n) & (same[:, 1] >= n), 1]))
    notes = list(_notes(len(within), f"training {held_out.modality.plural}"))
    if across:
        notes.append(
            f"{across} {held_out.modality}(s) of the test show the same as a training "
            f"{held_out.modality}; they make "
            "every score look better than it is"
        )
    units = units_of(held_out, opened.held_out_groups, tested)
    classes = np.unique(held_out.labels)
    return Division(
        opened.train, held_out, opened.groups, within, units, tuple(notes), classes,
        _untested(opened),
    )  # fmt: skip


def _untested(opened: Target) -> NDArray[np.bool_] | None:
    return None if opened.untested is None else np.array(opened.untested, dtype=np.bool_)


def _among(pairs: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs within the kept positions, counted among these."""
    inside = pairs[np.isin(pairs, kept).all(axis=1)]
    return np.searchsorted(kept, inside).reshape(-1, 2)


def _notes(pairs: int, what: str) -> tuple[str, ...]:
    if not pairs:
        return ()
    return (f"{pairs} pair(s) of {what} show the same; each stays on one side of every division",)


def unseen_among(
    images: ImageSet | None, parts: Sequence[ImageSet | None], kind: str
) -> ImageSet | None:
    """Return the further images that are none of those the target is tested on.

    Args:
        images: Of this kind; None where there are none.
        parts: The images of the target.
        kind: What the images are, in a word.

    Raises:
        InvalidTargetError: If none is left.
    """
    if images is None:
        return None
    ours = {digest for part in parts if part is not None for digest in part.digests}
    kept = [i for i, digest in enumerate(images.digests) if digest not in ours]
    item, items = images.modality, images.modality.plural
    if not kept:
        raise InvalidTargetError(
            f"all {len(images)} {kind} {items} are {items} of the target as well; give others"
        )
    if len(kept) < len(images):
        warnings.warn(
            f"{len(images) - len(kept)} {kind} {item}(s) are also among those that test the "
            "target, and were left out",
            DataWarning,
            stacklevel=4,
        )
    return images.subset(kept)
