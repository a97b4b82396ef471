"""Domains of a target: where its items come from, so that each can be left out in turn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.class_names import with_settled_classes
from autotransfer.data.finding import TargetLike, find_items
from autotransfer.data.image_set import ImageSet
from autotransfer.data.listing import Listing, bytewise, named
from autotransfer.data.modality import Modality
from autotransfer.data.splitting import Fold
from autotransfer.data.storage import open_place
from autotransfer.data.tree import grow_tree
from autotransfer.errors import InvalidTargetError

FOLDER = ":folder"  # in place of a column: the top folders are the domains
LEAST_DOMAINS = 3  # one is left out, and the choice is made by what the others say of each other
MOST_FOLDS = 10  # of more domains, several are left out together


def find_domains(
    target: TargetLike, domain_column: str, modality: Modality | None = None
) -> Listing:
    """Return the items of a target, the domain of each as its group.

    Args:
        target: A manifest; with `:folder` a folder of `<domain>/<class>/<item>`, or an archive.
        domain_column: Column of the manifest, or `:folder`.
        modality: What the items are; None tells it from the target.

    Raises:
        InvalidTargetError: If it has another shape, no such column, or splits of its own.
    """
    if domain_column != FOLDER:
        found = find_items(target, domain_column, modality=modality)
    else:
        found = _in_folders(target, modality)
    if len(set(found.splits)) > 1:
        raise InvalidTargetError(
            f"{found.name}: it has the splits {named(bytewise(set(found.splits)))}, but with "
            "--domain-column each domain tests once; leave the column of splits out"
        )
    return replace(found, splits=("train",) * len(found.splits))


def _in_folders(target: TargetLike, modality: Modality | None) -> Listing:
    if not isinstance(target, str | os.PathLike):
        raise InvalidTargetError(
            f"--domain-column {FOLDER} is for a folder or an archive; give a table with a column "
            "of domains, and name that column"
        )
    tree = grow_tree(open_place(os.fspath(target)), modality)
    parts = [PurePosixPath(entry.below).parts for entry in tree.images]
    start, depth = 0, min(map(len, parts))
    while depth - start > 3 and len({part[start] for part in parts}) == 1:
        start += 1
    if {len(part) - start for part in parts} != {3}:
        raise InvalidTargetError(
            f"{tree.place.text}: with --domain-column {FOLDER} expected <domain>/<class>/<image>; "
            f"{named(['/'.join(next(p for p in parts if len(p) - start != 3))])} lies elsewhere"
        )
    classes = [part[start + 1] for part in parts]
    return with_settled_classes(
        replace(
            tree.listing(),
            classes=classes,
            class_names=tuple(bytewise(set(classes))),
            groups=[part[start] for part in parts],
        )
    )


def domain_names(domains: Iterable[object], num_items: int) -> tuple[str, ...]:
    """Return the names of the domains of so many items.

    Args:
        domains: (n,) in any form.
        num_items: How many there have to be.

    Raises:
        InvalidTargetError: If there is another number of them, or one has no name.
    """
    values = np.asarray(domains if isinstance(domains, Sequence) else list(domains), dtype=object)
    if values.ndim != 1 or len(values) != num_items:
        shape = " x ".join(map(str, values.shape))
        raise InvalidTargetError(
            f"domains must name the domain of each of the {num_items} items; there are {shape}"
        )
    names = tuple(str(value).strip() for value in values.tolist())
    unnamed = [i for i, v in enumerate(values.tolist()) if v is None or v != v or not names[i]]
    if unnamed:
        raise InvalidTargetError(
            f"domains: {len(unnamed)} items have none (the first is at {unnamed[0]}); name the "
            "domain of each, or leave these items out"
        )
    return names


def fold_numbers(domains: Sequence[str]) -> NDArray[np.int64]:
    """Return (n,) in which fold each item is left out; of few domains each is one.

    Args:
        domains: (n,) name of the domain of each.
    """
    _, domain_of = np.unique(domains, return_inverse=True)
    found: NDArray[np.int64] = _dealt(np.bincount(domain_of))[domain_of]
    return found


def domain_folds(images: ImageSet, domains: Sequence[str]) -> tuple[Fold, ...]:
    """Return folds that leave one domain out; of more than ten, some leave several out.

    Args:
        images: (n,) labelled images.
        domains: (n,) name of the domain of each.

    Raises:
        InvalidTargetError: If there are fewer than three domains, or if a class is only where
            something is left out: nothing else could teach it.
    """
    names = np.unique(domains)
    if len(names) < LEAST_DOMAINS:
        raise InvalidTargetError(
            f"there are {len(names)} domain(s) ({named(names)}); at least {LEAST_DOMAINS} are "
            "needed: one is left out, and the others choose by what they say of each other. Add "
            "a domain, or leave --domain-column (domains=) out"
        )
    fold_of = fold_numbers(domains)
    folds = tuple(
        Fold(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in np.unique(fold_of)
    )
    for fold in folds:
        lacking = np.setdiff1d(images.labels[fold.validation], images.labels[fold.train])
        if len(lacking):
            only = sorted({domains[i] for i in fold.validation if images.labels[i] in lacking})
            raise InvalidTargetError(
                f"the class(es) {named(images.class_names[k] for k in lacking)} are in the "
                f"domain(s) {named(only)} alone, so nothing can teach them where these are left "
                "out; add images of them from another domain, or leave the classes out"
            )
    return folds


def domain_notes(images: ImageSet, domains: Sequence[str]) -> tuple[str, ...]:
    """Return a note for every domain that has one class, whose accuracy says little.

    Args:
        images: (n,) labelled images.
        domains: (n,) name of the domain of each.
    """
    of, notes = np.array(domains), []
    for name in bytewise(set(domains)):
        found = np.unique(images.labels[of == name])
        if len(found) == 1:
            notes.append(
                f"the domain {named([name])} has one class ({images.class_names[found[0]]}), so "
                "its accuracy does not say whether classes are told apart there"
            )
    return tuple(notes)


def _dealt(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each domain: the largest first, each to the smallest fold."""
    filled = np.zeros(min(len(sizes), MOST_FOLDS))
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    for domain in np.argsort(-sizes, kind="stable"):
        fold_of[domain] = int(np.argmin(filled))
        filled[fold_of[domain]] += sizes[domain]
    return fold_of
