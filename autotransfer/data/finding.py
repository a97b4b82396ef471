"""Finding the items of a target, in whatever form it comes."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from autotransfer.data.class_names import with_settled_classes
from autotransfer.data.columns import without_table
from autotransfer.data.datasets import is_dataset, is_sequence_of_splits, read_dataset
from autotransfer.data.images.arrays import read_images, read_npz
from autotransfer.data.item_kinds import offered_kind, read_given
from autotransfer.data.listing import Listing
from autotransfer.data.manifest import is_frame, read_frame, read_manifest
from autotransfer.data.modality import Modality, refuse_other
from autotransfer.data.sounds.listing import is_sounds, read_sounds
from autotransfer.data.storage import Location, open_place
from autotransfer.data.texts.listing import is_texts, read_texts
from autotransfer.data.tree import grow_tree, read_tree
from autotransfer.errors import InvalidOptionError

# a path, a URL, (X, y), an array, a list of images or texts, a table, an ImageSet
TargetLike: TypeAlias = Any


def find_items(
    target: TargetLike,
    group_column: str | None = None,
    *,
    any_shape: bool = False,
    every_row: bool = False,
    modality: Modality | None = None,
) -> Listing:
    """Return the items of a target in any form, as they are found.

    Args:
        target: In any form that `open_target` takes.
        group_column: Column of a manifest that names the group.
        any_shape: Whether files may lie in any folders; else classes are settled by them.
        every_row: Whether a table gives an item for each of its rows, in their order.
        modality: What the items are; None tells it from the target.

    Raises:
        InvalidTargetError: If there is none, or they are of another modality.
        InvalidOptionError: If there is a group column, and the target is no table.
    """
    if isinstance(target, str | os.PathLike):
        place = open_place(os.fspath(target))
        table = place.table and place.filesystem.isfile(place.root)
        if table and not place.root.lower().endswith(".npz"):
            found = read_manifest(place, group_column, every_row=every_row, modality=modality)
        else:
            _refuse_group_column(group_column)
            found = read_npz(place) if table else _in_tree(place, modality, any_shape=any_shape)
    else:
        found = _in_memory(target, group_column, every_row=every_row, kind=modality)
    refuse_other(found.reader, modality)
    return found if any_shape else with_settled_classes(found)


def _in_memory(
    target: TargetLike, group_column: str | None, *, every_row: bool, kind: Modality | None
) -> Listing:
    pair = isinstance(target, tuple) and len(target) == 2 and not is_sequence_of_splits(target)
    pair = pair and not is_sounds([target])  # one sound: samples and their rate
    items, labels = target if pair else (target, None)
    items = without_table(items)
    if is_frame(items):
        how = {"group_column": group_column, "every_row": every_row, "modality": kind}
        return read_frame(items, labels, **how)
    _refuse_group_column(group_column)
    listed = isinstance(items, list) or not is_dataset(items)
    asked = kind is Modality.SOUND and (listed or is_sounds(items))
    if kind is not None and offered_kind(kind) is not None and listed:
        return read_given(items, kind, labels)
    if asked or (kind is None and is_sounds(items)):
        return read_sounds(items, labels)
    if is_dataset(items):
        return read_dataset(items, labels)
    told = kind is Modality.TEXT and getattr(items, "ndim", 1) == 1
    if told or (kind is None and is_texts(items)):
        return read_texts(items, labels)
    return read_images(items, labels)


def _in_tree(place: Location, kind: Modality | None, *, any_shape: bool) -> Listing:
    tree = grow_tree(place, kind)
    return tree.listing() if any_shape else read_tree(tree)


def _refuse_group_column(name: str | None) -> None:
    if name is not None:
        raise InvalidOptionError(
            f"the group column {name!r} is for a manifest, a CSV or Parquet table with a row for "
            "each item; this target is none"
        )
