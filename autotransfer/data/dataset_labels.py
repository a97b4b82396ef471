"""Labels of datasets of other libraries, and the names of the classes that they number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotransfer.data.images.dataset_items import LABEL_KEYS, is_table, label_of, reason_of
from autotransfer.data.labels import plain_label
from autotransfer.data.listing import bytewise
from autotransfer.data.pandas_types import is_pandas
from autotransfer.errors import InvalidTargetError


@dataclass(frozen=True)
class Labels:
    """The labels of some items of a dataset.

    Args:
        values: One for each item; None where it has none.
        names: Name of the class of each number; None where numbers are names.
        claimed: What the dataset states beside the items; `values` is that by another number
            where datasets were joined. None where the items were read.
        failed: Reason for each item that could not be read.
        notes: What was decided, in sentences.
    """

    values: Sequence[Any]
    names: Mapping[int, str] | None = None
    claimed: Sequence[Any] | None = None
    failed: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def labels_of(dataset: Any, positions: Sequence[int]) -> Labels:
    """Return the labels of the items at the positions; images are read only where none are stated.

    Raises:
        InvalidTargetError: If classes of joined datasets cannot be told apart by name, one of
            them has a label without a name, or a `target_transform` fails.
    """
    if is_table(dataset):
        return _of_columns(dataset, positions)
    if _is_torch(dataset, "Subset"):
        return labels_of(dataset.dataset, [int(dataset.indices[i]) for i in positions])
    if _is_torch(dataset, "ConcatDataset"):
        return _of_parts(dataset, positions)
    return _of_targets(dataset, positions) or _of_items(dataset, positions)


def _of_targets(dataset: Any, positions: Sequence[int]) -> Labels | None:
    """Return the labels that a dataset states beside its items; None where it states none."""
    stated = _stated(dataset)
    if stated is None:
        return None
    found = [plain_label(stated[i]) for i in positions]
    transform = getattr(dataset, "target_transform", None)
    if transform is None:
        return Labels(found, _names_of(dataset), found)
    try:
        changed = [plain_label(transform(value)) for value in found]
    except Exception as error:  # noqa: BLE001 - it is anybody's code
        raise InvalidTargetError(f"target_transform of the dataset fails: {error}") from None
    if _same(changed, found):
        return Labels(found, _names_of(dataset), found)
    return Labels(changed, None, changed, {}, _renumbered(changed))


def _of_items(dataset: Any, positions: Sequence[int]) -> Labels:
    """Return the labels that the items themselves have."""
    values, failed = _read(dataset, positions)
    names = _names_of(dataset)
    if names is not None and getattr(dataset, "target_transform", None) is not None:
        return Labels(values, None, None, failed, _renumbered(values))
    inner: Any = getattr(dataset, "dataset", None)  # of a wrapper that may change images alone
    if names is None and hasattr(inner, "__len__") and len(inner) == len(dataset):
        of_inner = _of_columns if is_table(inner) else _of_targets
        own = of_inner(inner, positions)
        if own is not None and _same(own.values, values):
            names = own.names
    return Labels(values, names, None, failed)


def _same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    try:
        return first == second
    except (TypeError, ValueError, RuntimeError):  # rows of numbers, which are refused later
        return False


def _renumbered(values: Sequence[Any]) -> tuple[str, ...]:
    if all(isinstance(value, str) for value in values):
        return ()
    return ("target_transform changes the labels, so the classes are named by their numbers",)


def _of_columns(dataset: Any, positions: Sequence[int]) -> Labels:
    features = dataset.features
    named = [name for name, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    known = [name for name in LABEL_KEYS if name in dataset.column_names]
    candidates = [name for name in known if name in named] or named or known
    if not candidates:
        return Labels([None] * len(positions))
    column = dataset[candidates[0]][:]
    return Labels(
        [plain_label(column[i]) for i in positions],
        _by_number(getattr(features[candidates[0]], "names", None)),
    )


def _of_parts(dataset: Any, positions: Sequence[int]) -> Labels:
    """Return the labels of joined datasets; classes of the same name are one class."""
    ends = np.asarray(dataset.cumulative_sizes)
    part_of = np.searchsorted(ends, positions, side="right")
    starts = np.concatenate([[0], ends])
    values: list[Any] = [None] * len(positions)
    claimed: list[Any] = [None] * len(positions)
    failed: dict[int, str] = {}
    notes: dict[str, None] = {}
    places = {p: np.flatnonzero(part_of == p) for p in np.unique(part_of).tolist()}
    found = {
        p: labels_of(dataset.datasets[p], [int(positions[i] - starts[p]) for i in rows.tolist()])
        for p, rows in places.items()
    }
    names = _joined_names([labels.names for labels in found.values()])
    for p, labels in found.items():
        number = {} if names is None else {name: i for i, name in names.items()}
        for j, i in enumerate(places[p].tolist()):
            value = labels.values[j]
            if labels.names is not None and isinstance(value, int):
                if value not in labels.names:  # which may be the number of another part's class
                    raise InvalidTargetError(
                        f"the label {value} in one of the joined datasets, which names "
                        f"{len(labels.names)} classes; images without a label have to be left out"
                    )
                value = number[labels.names[value]]
            values[i] = value
            claimed[i] = None if labels.claimed is None else labels.claimed[j]
            if j in labels.failed:
                failed[i] = labels.failed[j]
        notes |= dict.fromkeys(labels.notes)
    return Labels(values, names, claimed, failed, tuple(notes))


def _joined_names(found: Sequence[Mapping[int, str] | None]) -> Mapping[int, str] | None:
    named = [names for names in found if names is not None]
    if not named:
        return None
    if len(named) < len(found):
        raise InvalidTargetError(
            "some of the joined datasets name their classes and some only number them; give the "
            "labels beside them: (dataset, labels)"
        )
    if all(names == named[0] for names in named):
        return named[0]
    return dict(enumerate(bytewise({name for names in named for name in names.values()})))


def _read(dataset: Any, positions: Sequence[int]) -> tuple[list[Any], dict[int, str]]:
    """Return the labels of the items themselves, and why some could not be read."""
    values: list[Any] = []
    failed: dict[int, str] = {}
    for place, position in enumerate(positions):
        try:
            values.append(plain_label(label_of(dataset[position])))
        except Exception as error:  # noqa: BLE001 - a dataset is anybody's code
            values.append(None)
            failed[place] = reason_of(error)
    return values, failed


def _stated(dataset: Any) -> Any | None:
    """Return the labels that a dataset has beside its items, before a target_transform."""
    targets = getattr(dataset, "targets", None)
    joint = getattr(dataset, "transforms", None)  # of torchvision; one of images and labels
    if joint is not None and type(joint).__name__ != "StandardTransform":
        return None
    try:
        if targets is None or len(targets) != len(dataset):
            return None
    except TypeError:
        return None
    return getattr(targets, "iloc", targets)  # of a column of pandas, `[i]` is the row named i


def _names_of(dataset: Any) -> Mapping[int, str] | None:
    found = getattr(dataset, "classes", None)
    return _by_number(getattr(dataset, "class_to_idx", None) if found is None else found)


def _by_number(names: Any) -> dict[int, str] | None:
    """Return the name of each number, from a list of names or a mapping in either direction."""
    if isinstance(names, Mapping):
        items = [(plain_label(key), plain_label(value)) for key, value in names.items()]
        if all(isinstance(value, int) for _, value in items):
            items = [(number, name) for name, number in items]
    elif isinstance(names, str):
        return None
    elif isinstance(names, Sequence | np.ndarray) or is_pandas(names, "Index"):
        items = list(enumerate(names))
    else:
        return None
    if not items or not all(isinstance(number, int) for number, _ in items):
        return None
    found = {number: _text(name) for number, name in sorted(items, key=lambda item: item[0])}
    twice = [name for name, count in Counter(found.values()).items() if count > 1]
    if twice:
        raise InvalidTargetError(f"the dataset names the class {twice[0]!r} twice")
    return found


def _text(name: Any) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple | list) else str(name)


def _is_torch(dataset: Any, name: str) -> bool:
    kind = type(dataset)
    return kind.__name__ == name and kind.__module__.startswith("torch.")
