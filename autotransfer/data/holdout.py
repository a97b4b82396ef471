"""Who is sealed, who belongs together, and the folds of the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.near_duplicates import near_duplicates
from autotransfer.data.splitting import NO_PAIRS, SEALED_FROM, Fold, make_folds, seal, units_of
from autotransfer.data.target import Target


@dataclass(frozen=True)
class Division:
    """The pictures of the search and those of the guard.

    Args:
        images: The open pictures of the search.
        sealed: Those of the guard; None where the selection is cross-fitted instead.
        groups: Group of each open picture; None without groups.
        same: (p, 2) positions of open pictures that show the same.
        sealed_units: Number of the unit of each sealed picture.
        notes: What was found, in sentences.
    """

    images: ImageSet
    sealed: ImageSet | None
    groups: tuple[str, ...] | None
    same: NDArray[np.int64]
    sealed_units: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> NDArray[np.int64]:
        """Return the (n,) number of the unit that each open picture belongs to."""
        return units_of(self.images, self.groups, self.same)

    def folds(self, seed: int) -> tuple[Fold, ...]:
        """Return the folds of the search; every picture validates once where none is sealed."""
        return make_folds(
            self.images,
            seed=seed,
            groups=self.groups,
            same=self.same,
            every_picture=self.sealed is None,
        )


def divide(opened: Target, *, pictures: bool = True) -> Division:
    """Return who is sealed: the user's own test split, or a quarter by content, or nobody.

    Below 1000 pictures nobody is: the guard then tests out-of-fold predictions.

    Args:
        opened: The labelled target.
        pictures: Whether its items can be looked at; features cannot.
    """
    if opened.sealed is not None:
        return _with_own_test(opened, opened.sealed, pictures=pictures)
    same = near_duplicates(opened.train) if pictures else NO_PAIRS
    notes = _notes(len(same), "training pictures")
    nobody = np.zeros(0, dtype=np.int64)
    if len(opened.train) < SEALED_FROM:
        return Division(opened.train, None, opened.groups, same, nobody, notes)
    free, sealed = seal(opened.train, groups=opened.groups, same=same)
    units = units_of(opened.train, opened.groups, same)
    groups = None if opened.groups is None else tuple(opened.groups[i] for i in free)
    return Division(
        opened.train.subset(free),
        opened.train.subset(sealed),
        groups,
        _among(same, free),
        units[sealed],
        notes,
    )


def _with_own_test(opened: Target, sealed: ImageSet, *, pictures: bool) -> Division:
    n = len(opened.train)
    same = near_duplicates(opened.train, sealed) if pictures else NO_PAIRS
    within, tested = same[(same < n).all(axis=1)], same[(same >= n).all(axis=1)] - n
    across = len(np.unique(same[(same[:, 0] < n) & (same[:, 1] >= n), 1]))
    notes = list(_notes(len(within), "training pictures"))
    if across:
        notes.append(
            f"{across} picture(s) of the test show the same as a training picture; they make "
            "every score look better than it is"
        )
    units = units_of(sealed, None, tested)
    return Division(opened.train, sealed, opened.groups, within, units, tuple(notes))


def _among(pairs: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs within the kept positions, counted among these."""
    inside = pairs[np.isin(pairs, kept).all(axis=1)]
    return np.searchsorted(kept, inside).reshape(-1, 2)


def _notes(pairs: int, what: str) -> tuple[str, ...]:
    if not pairs:
        return ()
    return (f"{pairs} pair(s) of {what} show the same; each stays on one side of every division",)
