"""Opening a target: items, labels and splits, all of them checked before anything runs."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.checking import Problems, Usable, checked, left_out_notes, usable_images
from autotransfer.data.class_names import refuse_unfit_names
from autotransfer.data.datasets import is_sequence_of_splits
from autotransfer.data.domains import domain_names, domain_notes, find_domains
from autotransfer.data.finding import TargetLike, find_items
from autotransfer.data.image_set import ImageSet
from autotransfer.data.listing import Listing, bytewise, named, shortened
from autotransfer.data.manifest import is_frame
from autotransfer.data.modality import Modality, modality_of
from autotransfer.errors import DataWarning, InvalidOptionError, InvalidTargetError

_NAMED = 20  # classes that a message names
_SHOWN = 60  # characters of a class in a list of many


@dataclass(frozen=True)
class Target:
    """The user's problem as items.

    Args:
        name: Short name, for the study and its folder.
        train: The images to search and learn with.
        validation: The user's own validation split, where there is a test split as well.
        held_out: The user's own test split; None lets the core choose.
        class_names: Names of the K classes; empty without labels.
        notes: What was decided or left out, in sentences.
        groups: Group of each training image; None without groups.
        held_out_groups: Group of each image of the user's own test split; None without groups.
        untested: Whether a training image never tests, because it was chosen for what it
            teaches; None where all may.
        by_domain: Whether the groups are domains, each of which is left out in turn.
    """

    name: str
    train: ImageSet
    validation: ImageSet | None
    held_out: ImageSet | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    held_out_groups: tuple[str, ...] | None = None
    untested: tuple[bool, ...] | None = None
    by_domain: bool = False

    @property
    def labelled(self) -> bool:
        """Return whether the training images have labels."""
        return self.train.labelled

    def at_depth(self, depth: int) -> Target:
        """Return the same target, its images read with so many bits."""
        return replace(
            self,
            train=self.train.at_depth(depth),
            validation=self.validation and self.validation.at_depth(depth),
            held_out=self.held_out and self.held_out.at_depth(depth),
        )


def open_target(
    target: TargetLike,
    *,
    on_bad_image: str | None = "stop",
    minimum_per_class: int = 2,
    group_column: str | None = None,
    domain_column: str | None = None,
    domains: Iterable[object] | None = None,
    modality: Modality | None = None,
) -> Target:
    """Return the target, every item checked.

    Args:
        target: A folder of class folders, an archive of one, a manifest, an `.npz`, an fsspec
            URL of these, `(X, y)`, an array or a list of images, a table of pandas, Polars or
            Arrow like a manifest, a dataset of torch or of Hugging Face, or an `ImageSet`.
        on_bad_image: "stop" names every bad image in an error, "skip" leaves them out. None
            stops as well, where the caller does not offer the choice.
        minimum_per_class: Fewest training images of a class.
        group_column: Column of a manifest that names the group; None is "group" if it is there.
        domain_column: Column of a manifest that names the domain, or `:folder` for top folders.
        domains: (n,) name of the domain of each item that is given one by one.
        modality: What the items are; None tells it from the target.

    Raises:
        InvalidTargetError: If the target cannot be used; the message says what to do.
        CorruptImagesError: If images cannot be decoded and `on_bad_image` is not "skip", or if
            none can.
        InvalidOptionError: If `on_bad_image` is neither.
    """
    if isinstance(target, ImageSet) and domain_column is not None:
        raise InvalidOptionError(
            f"domain_column {domain_column!r} is for a table or a folder; an ImageSet has no "
            "columns; give domains, one for each item"
        )
    if domains is not None and (is_frame(target) or isinstance(target, str | os.PathLike)):
        raise InvalidOptionError(
            "domains are for items that are given one by one, as an array, a list or a dataset; "
            "of a folder or a table domain_column names them"
        )
    if isinstance(target, ImageSet):
        refuse_unfit_names(target.class_names, "images")
        names = None if domains is None else domain_names(domains, len(target))
        usable = usable_images(target, on_bad_image)
        images = target.subset(usable.good).at_depth(usable.depth)
        groups = _of(names, usable.good)
        opened = Target("images", images, None, None, target.class_names, groups=groups)
    else:
        if domain_column is None:
            listing = find_items(target, group_column, modality=modality)
        else:
            listing = find_domains(target, domain_column, modality)
        if domains is not None:
            names = domain_names(domains, len(listing.splits))
            listing = replace(listing, groups=names, splits=("train",) * len(names))
        usable = checked(listing, on_bad_image)
        opened = _divide(listing, usable)
    if opened.labelled:
        _refuse_classes(opened, minimum_per_class, usable.left_out)
    notes = (*opened.notes, *usable.notes, *_repetitions(opened))
    by_domain = domain_column is not None or domains is not None
    if by_domain and opened.groups is not None and opened.labelled:
        notes = (*notes, *domain_notes(opened.train, opened.groups))
        return replace(opened, notes=notes, by_domain=True)
    return replace(opened, notes=notes)


def open_images(
    images: TargetLike,
    *,
    on_bad_image: str | None = None,
    depth: int | None = None,
    modality: Modality | None = None,
) -> ImageSet:
    """Return all images of a target in any form, or below any folder, without labels.

    Files come in bytewise path order, whatever folders they lie in; arrays, lists and the rows
    of a table in their own.

    Args:
        images: In any form that `open_target` takes, or one PIL image.
        on_bad_image: As for `open_target`; a `DataWarning` names the images that are left out.
        depth: Bits that a value of 16 or 32 bits uses; None finds out from all of them.
        modality: What the items are; None tells it from them.

    Raises:
        InvalidTargetError: If there is none.
        CorruptImagesError: If some cannot be decoded, and are not left out, or if none can.
        InvalidOptionError: If `on_bad_image` is neither.
    """
    if isinstance(images, ImageSet) and on_bad_image in ("stop", None):
        return images.without_labels().at_depth(depth)
    found, usable = open_usable(images, on_bad_image, depth=depth, modality=modality)
    for note in left_out_notes(usable.left_out, found.modality):
        warnings.warn(note, DataWarning, stacklevel=2)
    return found


def open_usable(
    images: TargetLike,
    on_bad_image: str | None,
    *,
    every_row: bool = True,
    depth: int | None = None,
    modality: Modality | None = None,
) -> tuple[ImageSet, Usable]:
    """Return the images of `open_images` that can be used, and what their check found.

    Args:
        images: As for `open_images`.
        on_bad_image: As for `open_target`.
        every_row: Whether a table gives an image for each of its rows, in their order; without
            it each image once, in path order.
        depth: As for `open_images`.
        modality: As for `open_images`.

    Raises:
        InvalidTargetError: If there is none.
        CorruptImagesError: If some cannot be decoded, and are not left out, or if none can.
    """
    if isinstance(images, ImageSet):
        usable = usable_images(images.at_depth(depth), on_bad_image)
        found = images.without_labels().subset(usable.good)
        return found.at_depth(depth or usable.depth), usable
    listing = find_items(images, any_shape=True, every_row=every_row, modality=modality)
    usable = checked(listing, on_bad_image, depth)
    return ImageSet(listing.reader, usable.good, depth=depth or usable.depth), usable


def open_unlabelled(
    target: TargetLike, *, on_bad_image: str = "stop", modality: Modality | None = None
) -> tuple[ImageSet, tuple[str, ...], str, tuple[str, ...]]:
    """Return the training images of a target whose labels, if there are any, stay unread.

    Returns:
        The images without labels, the names of the classes that its folders or columns have,
        a short name, and notes.

    Raises:
        InvalidTargetError: If there is no image.
        CorruptImagesError: If images cannot be decoded and `on_bad_image` is "stop".
    """
    if isinstance(target, ImageSet):
        images, usable = open_usable(target, on_bad_image)
        return images, target.class_names, "images", usable.notes
    if isinstance(target, tuple) and len(target) == 2 and not is_sequence_of_splits(target):
        target = target[0]
    listing = find_items(target, modality=modality)
    usable = checked(listing, on_bad_image)
    good = usable.good
    splits = np.array(listing.splits)[good]
    notes = (*listing.notes, *usable.notes)
    if listing.classes is not None:
        notes = (*notes, "the target is used without its labels: class folders are not read")
    if (splits == "train").any() and (splits != "train").any():
        good = good[splits == "train"]
        notes = (*notes, "of the target's splits only the training images are used")
    images = ImageSet(listing.reader, good, depth=usable.depth)
    return images, listing.class_names, listing.name, notes


def _divide(listing: Listing, usable: Usable) -> Target:
    """Return the splits: a test split is held out; without one, the validation split is."""
    good = usable.good
    splits, item = np.array(listing.splits)[good], modality_of(listing.reader)
    for split in sorted({*listing.splits} - {*splits.tolist()}):
        raise InvalidTargetError(
            f"{listing.name}: no {item} of the split {split!r} can be used; "
            + "; ".join(left_out_notes(usable.left_out, item))
        )
    train, validation, held_out = (
        good[splits == split] for split in ("train", "validation", "test")
    )
    if not len(train):
        raise InvalidTargetError(
            f"{listing.name}: there are no training {item}s, only "
            f"{', '.join(np.unique(splits))}; add a split 'train', or name the one to train on "
            "as the target itself"
        )
    notes = listing.notes
    if len(validation) and not len(held_out):
        held_out, validation = validation, held_out
        notes = (*notes, "there is no test split, so the validation split is the held-out test")
    parts = {"training": train, "the validation": validation, "the held-out test": held_out}
    notes = (*notes, *_shared_groups(listing.groups, parts))
    return Target(
        listing.name,
        _image_set(listing, train, usable.depth),
        _image_set(listing, validation, usable.depth) if len(validation) else None,
        _image_set(listing, held_out, usable.depth) if len(held_out) else None,
        listing.class_names,
        notes,
        _of(listing.groups, train),
        _of(listing.groups, held_out),
    )


def _of(groups: Sequence[str] | None, positions: NDArray[np.int64]) -> tuple[str, ...] | None:
    return None if groups is None else tuple(groups[i] for i in positions)


def _shared_groups(
    groups: Sequence[str] | None, parts: Mapping[str, NDArray[np.int64]]
) -> Iterator[str]:
    """Yield a note for every two of the user's own splits that share a group."""
    for (first, some), (second, others) in combinations(parts.items(), 2):
        shared = {*(_of(groups, some) or ())} & {*(_of(groups, others) or ())}
        if shared:
            items = sum(group in shared for group in _of(groups, others) or ())
            yield (
                f"{len(shared)} group(s) are in {first} and in {second} ({named(bytewise(shared))}"
                f"; {items} of the {len(others)} image(s) of {second}); the splits are used as "
                "they are, so scores look better than for new groups"
            )


def _image_set(listing: Listing, positions: NDArray[np.int64], depth: int | None) -> ImageSet:
    if listing.classes is None:
        return ImageSet(listing.reader, positions, depth=depth)
    number = {name: i for i, name in enumerate(listing.class_names)}
    labels = [number[listing.classes[i]] for i in positions]
    return ImageSet(listing.reader, positions, labels, listing.class_names, depth=depth)


def _refuse_classes(target: Target, minimum: int, left_out: Problems) -> None:
    """Refuse a single class, and classes with too few training images."""
    names, item = target.class_names, target.train.modality
    if len(names) < 2:
        raise InvalidTargetError(
            f"{target.name}: there is one class ({named(names)}); at least two are needed"
        )
    counts = np.bincount(target.train.labels, minlength=len(names))
    few = [
        f"'{shortened(names[i], _SHOWN)}' has {counts[i]}"
        for i in np.flatnonzero(counts < minimum)
    ]
    if few:
        more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
        raise InvalidTargetError(
            f"{target.name}: too few training {item}s: class {', '.join(few[:_NAMED])}{more}; at "
            f"least {minimum} are needed in each: add {item}s or remove the class"
            + "".join(f"; {note}" for note in left_out_notes(left_out, item))
        )


def _repetitions(target: Target) -> Sequence[str]:
    """Return notes on images that would make a score look better, or worse, than it is."""
    notes, item = [], target.train.modality
    train = set(target.train.digests)
    for part, images in (("validation", target.validation), ("held-out test", target.held_out)):
        repeated = sum(digest in train for digest in images.digests) if images else 0
        if repeated:
            notes.append(f"{repeated} {item}(s) of the {part} are also in training")
    if target.labelled:
        labels = defaultdict(set)
        for digest, label in zip(target.train.digests, target.train.labels.tolist(), strict=True):
            labels[digest].add(label)
        torn = Counter(len(found) > 1 for found in labels.values())[True]
        if torn:
            notes.append(f"{torn} training {item}(s) occur in more than one class")
    return notes
