"""Opening a target of which some classes have no images, only a row of attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autotransfer.data.attributes import Attributes, read_attributes, with_seen_first
from autotransfer.data.descriptions import read_descriptions, title_of
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import Target, open_target
from autotransfer.errors import InvalidOptionError, InvalidTargetError, NoCandidateError
from autotransfer.models.catalogue import Sources
from autotransfer.models.class_descriptions import READ, describe
from autotransfer.models.features import FeatureReaders
from autotransfer.plugin.registry import Registry
from autotransfer.scenarios.inputs import Problem, choose_sources, make_readers
from autotransfer.scenarios.options import Options, asked_modality


def problem_of_descriptions(target: Any, chosen: Options, registry: Registry) -> Problem:
    """Return the problem of classes of which only some have images.

    Raises:
        InvalidTargetError: If the target or the table cannot be used.
    """
    opened = open_target(
        target,
        on_bad_image=chosen.on_bad_image,
        minimum_per_class=0,
        modality=asked_modality(chosen),
    )
    if not opened.labelled:
        raise InvalidTargetError(
            f"the target has no labels: every class that has {opened.train.modality.plural} needs "
            "a folder, or a label in a column 'label', named as in the table of classes"
        )
    counts = np.bincount(opened.train.labels, minlength=len(opened.class_names))
    seen = [name for name, count in zip(opened.class_names, counts, strict=True) if count]
    readers = make_readers(chosen)
    sources = choose_sources(chosen, registry, len(opened.train), opened.train.modality)
    if chosen.descriptions is None:
        given, table = chosen.attributes, read_attributes(chosen.attributes, seen)
    else:
        given = chosen.descriptions
        table = _described(
            opened.train, seen, chosen, readers, _describing(sources, chosen, registry)
        )
    tested = [] if opened.held_out is None else [name for name in opened.class_names
                                               if name not in table.class_names]  # fmt: skip
    if tested:
        raise InvalidTargetError(
            f"{title_of(given)}: no row for {', '.join(tested)}, which has held-out items; add "
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
    kind = opened.train.modality.plural
    chosen.say(
        f"{table.num_seen} classes with {kind}, {len(table.unseen)} without, "
        f"{len(table.names)} attributes"
    )
    return Problem(relabelled, sources, readers, attributes=table)


def _describing(sources: Sources, chosen: Options, registry: Registry) -> Sources:
    """Return the sources that may read descriptions: those of the fit, or others beside them."""
    if any(source.modality is READ for source in sources.sources):
        return sources
    if chosen.sources is not None:
        try:
            return choose_sources(replace(chosen, source=()), registry, 0, READ)
        except NoCandidateError:
            pass
    raise InvalidOptionError(
        "descriptions are read by a source of texts, and none is among the sources; name one with "
        "--sources, beside the others"
    )


def _described(
    items: ImageSet, seen: list[str], chosen: Options, readers: FeatureReaders, sources: Sources
) -> Attributes:
    """Return the rows that a source of texts makes of the descriptions.

    Raises:
        InvalidTargetError: If the descriptions cannot be used.
        InvalidOptionError: If no pretrained source can read them.
    """
    title, said = title_of(chosen.descriptions), read_descriptions(chosen.descriptions)
    names = tuple(said)
    with_seen_first(title, Attributes((), names, np.zeros((len(names), 0)), 0), seen)
    found = describe(said, sources.sources, readers, items)
    if found is None:
        raise InvalidOptionError(
            "descriptions are read by a pretrained source of texts, and none is among the sources"
        )
    width, right = found.values.shape[1], ""
    if found.right is not None:
        share = f"{100 * found.right:.1f} % of the classes seen"
        right = f", whose nearest description is right for {share}"
    table = Attributes(
        tuple(f"{found.source.name} {i + 1}" for i in range(width)),
        names,
        found.values,
        0,
        (f"the descriptions are read by {found.source.name}{right}",),
        found.source.name,
        found.source.fingerprint,
    )
    return with_seen_first(title, table, seen)


def _relabelled(images: ImageSet, table: Attributes) -> ImageSet:
    """Return the images with labels as places in the table."""
    place = {name: i for i, name in enumerate(table.class_names)}
    labels = [place[images.class_names[label]] for label in images.labels]
    names = table.seen if max(labels) < table.num_seen else table.class_names
    return ImageSet(images, np.arange(len(images)), labels, names)
