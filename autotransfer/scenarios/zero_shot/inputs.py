"""Opening a target of which some classes have no images, only a row of attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotransfer.data.attributes import Attributes, read_attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import Target, open_target
from autotransfer.errors import InvalidTargetError
from autotransfer.plugin.registry import Registry
from autotransfer.scenarios.inputs import READ, Problem, choose_sources, make_readers
from autotransfer.scenarios.options import Options


def problem_of_descriptions(target: Any, chosen: Options, registry: Registry) -> Problem:
    """Return the problem of classes of which only some have images.

    Raises:
        InvalidTargetError: If the target or the table cannot be used.
    """
    opened = open_target(
        target, on_bad_image=chosen.on_bad_image, minimum_per_class=0, modality=READ
    )
    if not opened.labelled:
        raise InvalidTargetError(
            "the images lie in no class folders; with --attributes every class that has "
            "images needs a folder named as in the table"
        )
    counts = np.bincount(opened.train.labels, minlength=len(opened.class_names))
    seen = [name for name, count in zip(opened.class_names, counts, strict=True) if count]
    table = read_attributes(chosen.attributes, seen)
    tested = [] if opened.held_out is None else [name for name in opened.class_names
                                               if name not in table.class_names]  # fmt: skip
    if tested:
        raise InvalidTargetError(
            f"{chosen.attributes}: no row for {', '.join(tested)}, which has held-out items; add "
            "a row or remove the images"
        )
    notes = [*opened.notes, *table.notes]
    if opened.validation is not None:
        notes.append("the validation images are not used: the search holds out classes")
    for note in notes:
        chosen.say(note)
    relabelled = Target(
        opened.name,
        _relabelled(opened.train, table),
        None,
        None if opened.held_out is None else _relabelled(opened.held_out, table),
        table.seen,
        tuple(notes),
        opened.groups,
    )
    chosen.say(
        f"{table.num_seen} classes with images, {len(table.unseen)} without, "
        f"{len(table.names)} attributes"
    )
    sources = choose_sources(chosen, registry, len(relabelled.train))
    return Problem(relabelled, sources, make_readers(chosen), attributes=table)


def _relabelled(images: ImageSet, table: Attributes) -> ImageSet:
    """Return the images with labels as places in the table."""
    place = {name: i for i, name in enumerate(table.class_names)}
    labels = [place[images.class_names[label]] for label in images.labels]
    names = table.seen if max(labels) < table.num_seen else table.class_names
    return ImageSet(images, np.arange(len(images)), labels, names)
