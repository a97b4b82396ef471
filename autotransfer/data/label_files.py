"""Tables of labels for images that had none, as `autotransfer label` writes them."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autotransfer.data.csv_cells import plain
from autotransfer.data.image_set import ImageSet
from autotransfer.data.joined import joined
from autotransfer.data.listing import bytewise, named
from autotransfer.data.storage import open_place
from autotransfer.data.tables import cell_text, read_table
from autotransfer.data.target import Target
from autotransfer.errors import InvalidTargetError

IMAGE, LABEL, DRAWN = "image", "label", "drawn"
RANDOM, CHOSEN = "random", "chosen"  # how an image came to be labelled


@dataclass(frozen=True)
class Labelled:
    """The labels of images of one set.

    Args:
        positions: Of the images in the set, increasing.
        labels: The name of the class of each.
        random: Whether an image was drawn at random: only such ones may test.
        notes: What was left out, in sentences.
    """

    positions: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    random: tuple[bool, ...] = ()
    notes: tuple[str, ...] = ()


def read_labels(files: Sequence[str | os.PathLike[str]], images: ImageSet, where: str) -> Labelled:
    """Return what tables of labels say of the images of a set.

    Args:
        files: CSV or Parquet tables with the columns image and label, and drawn: "random" or
            "chosen". Rows without a label are left out, unless the image was drawn at random: a
            part of a random sample is none.
        images: The set.
        where: What it is called in messages.

    Raises:
        InvalidTargetError: If a table cannot be read, names an image that is not there, leaves a
            randomly drawn one without a label, or an image has two labels.
    """
    place = {name: i for i, name in enumerate(images.names)}
    found: dict[int, tuple[str, bool]] = {}
    notes: list[str] = []
    for file in files:
        told, blank = _rows(file)
        labelled = dict.fromkeys(name for name, *_ in told)
        unknown = [name for name in (*labelled, *blank) if name not in place]
        if unknown:
            raise InvalidTargetError(
                f"{file}: {named(unknown)} {'is' if len(unknown) == 1 else 'are'} none of the "
                f"{len(place)} images of {where}; label images of this set, or name the set that "
                "they are from with --unlabelled"
            )
        for name, label, random in told:
            before = found.setdefault(place[name], (label, random))
            if before[0] != label:
                raise InvalidTargetError(
                    f"{file}: {named([name])} is labelled {named([before[0], label])}; it can "
                    "have one label: correct the table"
                )
        notes += _left_out(file, blank, len(labelled))
    order = sorted(found)
    return Labelled(
        tuple(order),
        tuple(found[i][0] for i in order),
        tuple(found[i][1] for i in order),
        tuple(notes),
    )


def with_labels(
    opened: Target | None, images: ImageSet, found: Labelled, new_classes: Collection[str] = ()
) -> Target:
    """Return the target with the images that were labelled among those to learn from.

    Args:
        opened: The target before; None where no image had a label.
        images: The set that the labels are of.
        found: The labels.
        new_classes: Names that the target does not have and that are meant.

    Raises:
        InvalidTargetError: If a label is no class of the target and not meant as a new one, or
            if a class is left with a single image.
    """
    more = images.subset(np.array(found.positions, dtype=np.int64))
    if opened is None:
        names = tuple(bytewise(set(found.labels)))
        empty = images.subset(np.zeros(0, dtype=np.int64))
        opened = Target("images", empty, None, None, names)
        own = np.zeros(0, dtype=np.int64)
    else:
        _refuse_unknown(found.labels, opened.class_names, new_classes)
        fresh = [name for name in bytewise(set(found.labels)) if name not in opened.class_names]
        names, own = (*opened.class_names, *fresh), opened.train.labels
    labels = np.concatenate([own, [names.index(label) for label in found.labels]]).astype(np.int64)
    _refuse_few(np.bincount(labels, minlength=len(names)).tolist(), names)
    train = joined(opened.train, more, labels, names)
    groups = opened.groups
    if groups is not None:  # an image that was labelled since is a group of its own
        groups = (*groups, *(f"labelled {digest}" for digest in more.digests))
    drawn = sum(found.random)
    told = (
        f"{len(found.random)} further images have labels: {drawn} drawn at random may test; "
        f"{len(found.random) - drawn} chosen for what they teach only train"
    )
    return replace(
        opened,
        train=train,
        class_names=names,
        groups=groups,
        validation=opened.validation and _renumbered(opened.validation, names),
        held_out=opened.held_out and _renumbered(opened.held_out, names),
        untested=(
            *(opened.untested or (False,) * len(opened.train)),
            *(not r for r in found.random),
        ),
        notes=(*opened.notes, *found.notes, told),
    )


def _rows(file: str | os.PathLike[str]) -> tuple[list[tuple[str, str, bool]], dict[str, bool]]:
    """Return name, label and draw of labelled images, and the draw of those without a label."""
    table = read_table(open_place(os.fspath(file)))
    if not {IMAGE, LABEL} <= set(table):
        raise InvalidTargetError(
            f"{file}: the columns image and label are needed, and drawn where `autotransfer "
            f"label` chose the images; it has {named(table.columns)}"
        )
    told, blank = list[tuple[str, str, bool]](), dict[str, bool]()
    drawn = table[DRAWN] if DRAWN in table else [CHOSEN] * len(table)
    for image, label, how in zip(table[IMAGE], table[LABEL], drawn, strict=True):
        name, text = plain(str(image)), unicodedata.normalize("NFC", plain(cell_text(label)))
        way = cell_text(how).casefold()
        if way not in (RANDOM, CHOSEN):
            raise InvalidTargetError(
                f"{file}: drawn must be {RANDOM} or {CHOSEN}, got {named([how])} for "
                f"{named([name])}; do not change this column"
            )
        if text:
            told.append((name, text, way == RANDOM))
        else:
            blank[name] = way == RANDOM
    return told, blank


def _left_out(file: object, blank: dict[str, bool], num_told: int) -> list[str]:
    """Return a note on rows without a label; refuse those that were drawn at random."""
    random = [name for name, is_random in blank.items() if is_random]
    if random:
        raise InvalidTargetError(
            f"{file}: {len(random)} of {len(blank) + num_told} images have no label though they "
            f"were drawn at random ({named(random)}); what is left out of a random draw makes the "
            "test easier than it is: label all of them"
        )
    return [f"{Path(str(file)).name}: {len(blank)} row(s) without a label left out"] * bool(blank)


def _refuse_unknown(
    labels: Sequence[str], class_names: Sequence[str], new_classes: Collection[str]
) -> None:
    unknown = [n for n in bytewise(set(labels)) if n not in class_names and n not in new_classes]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], class_names, 1)
    raise InvalidTargetError(
        f"the labels name {named(unknown)}, which the target does not have"
        + (f" (did you mean {named(near)}?)" if near else "")
        + f"; its classes are {named(class_names, most=20)}. Correct the table, or say that a "
        f"class is new with --new-class {unknown[0]!r}"
    )


def _refuse_few(counts: Sequence[int], names: Sequence[str]) -> None:
    few = [f"{named([name])} has {count}" for name, count in zip(names, counts, strict=True)
           if count < 2]  # fmt: skip
    if few or len(names) < 2:
        told = f"class {', '.join(few)}" if few else f"there is one class, {named(names)}"
        raise InvalidTargetError(
            f"too few labelled images: {told}; at least two classes with two images each are "
            "needed: label more, or give what is rare one name"
        )


def _renumbered(images: ImageSet, names: tuple[str, ...]) -> ImageSet:
    """Return the same images; further classes stand at the end and change no number."""
    return images.relabelled(range(len(images)), images.labels, names)
