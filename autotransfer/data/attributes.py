"""Classes described by attributes: the table, its checks, and which classes have images."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.listing import named
from autotransfer.data.storage import open_place
from autotransfer.data.tables import read_table
from autotransfer.errors import InvalidTargetError

FEWEST_SEEN = 4  # classes with images: two can be held out, and two are left to learn from
UNKNOWN = -1.0
_NAMED = 20  # classes or attributes that a message names
_IGNORED = ("split",)  # a column that some tables have; the images say who is seen


@dataclass(frozen=True)
class Attributes:
    """What is known of K classes, those with images first.

    Args:
        names: Names of the a attributes.
        class_names: Names of the K classes, the seen ones first.
        values: (K, a) finite numbers in the units of the table.
        num_seen: Number of classes that have images.
        notes: What was decided about the table, in sentences.
        describer: Name of the source of texts whose features of descriptions the values are; empty
            for a table of numbers.
        describer_key: Its fingerprint.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    values: NDArray[np.float64]
    num_seen: int
    notes: tuple[str, ...] = ()
    describer: str = ""
    describer_key: str = ""

    @property
    def seen(self) -> tuple[str, ...]:
        """Return the names of the classes that have images."""
        return self.class_names[: self.num_seen]

    @property
    def unseen(self) -> tuple[str, ...]:
        """Return the names of the classes without images."""
        return self.class_names[self.num_seen :]

    def reordered(self, seen: Sequence[str], unseen: Sequence[str]) -> Attributes:
        """Return the rows of these classes, those with images first."""
        place = {name: i for i, name in enumerate(self.class_names)}
        order = [place[name] for name in (*seen, *unseen)]
        return replace(
            self, class_names=(*seen, *unseen), values=self.values[order], num_seen=len(seen)
        )


def read_attributes(table: Any, class_names: Sequence[str]) -> Attributes:
    """Return the checked table of a target.

    Args:
        table: A CSV file whose first column is `class` and whose others are attributes; an empty
            cell or -1 is unknown and becomes the mean of the known values of its column. Or a
            mapping from class to (a,) numbers.
        class_names: The classes that have images to learn from, in the target's order.

    Raises:
        InvalidTargetError: If the table cannot be used; the message says what to do.
    """
    title = str(table) if isinstance(table, str | os.PathLike) else "the attribute table"
    header, rows = _read(table)
    names, classes, values = _numbers(title, header, rows)
    found = with_seen_first(title, Attributes(names, tuple(classes), values, 0), class_names)
    return _distinct(title, _usable(title, found))


def with_seen_first(title: str, table: Attributes, class_names: Sequence[str]) -> Attributes:
    """Return the rows, those of classes that have items first.

    Args:
        title: What the table is called in messages.
        table: Rows of all classes.
        class_names: The classes that have items to learn from, in the target's order.

    Raises:
        InvalidTargetError: If a row is missing, or there are too few classes of either kind.
    """
    classes = table.class_names
    missing = [name for name in class_names if name not in classes]
    if missing:
        raise InvalidTargetError(
            f"{title}: no row for {named(missing, _NAMED)}, which has images; add a row, or "
            f"remove the images (the table has {named(classes, _NAMED)})"
        )
    unseen = [name for name in classes if name not in set(class_names)]
    if not unseen:
        raise InvalidTargetError(
            f"{title}: every class has images, so there is nothing to describe; leave out "
            "the table, or add rows of classes without images"
        )
    if len(class_names) < FEWEST_SEEN:
        raise InvalidTargetError(
            f"{len(class_names)} class(es) with images ({named(class_names, _NAMED)}) are too few "
            f"to learn attributes from; at least {FEWEST_SEEN} are needed, 10 or more advisable"
        )
    return table.reordered(class_names, unseen)


def _read(table: Any) -> tuple[list[str], list[list[Any]]]:
    """Return the header and the rows."""
    if not isinstance(table, str | os.PathLike):
        rows = [[name, *np.asarray(row).tolist()] for name, row in dict(table).items()]
        width = len(rows[0]) - 1 if rows else 0
        return ["class", *(f"attribute {i + 1}" for i in range(width))], rows
    found = read_table(open_place(os.fspath(table)))
    return list(found.columns), found.to_numpy().tolist()


def _numbers(
    title: str, header: list[str], rows: list[list[Any]]
) -> tuple[tuple[str, ...], list[str], NDArray[np.float64]]:
    """Return the attributes, the classes and (K, a) values with NaN for what is unknown."""
    if header[0].lower() != "class":
        raise InvalidTargetError(
            f"{title}: the first column is {header[0]!r}; it must be 'class', followed by one "
            "column an attribute"
        )
    columns = [i for i, name in enumerate(header) if i and name.lower() not in _IGNORED]
    if len(columns) < 2 or not rows:
        raise InvalidTargetError(
            f"{title}: {len(rows)} class(es) and {len(columns)} attribute(s); a table needs rows, "
            "and at least two attributes"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InvalidTargetError(
                f"{title}: line {number} has {len(row)} cells, the header has {len(header)}"
            )
    classes = [unicodedata.normalize("NFC", str(row[0]).strip()) for row in rows]
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated:
        raise InvalidTargetError(
            f"{title}: class {named(repeated, _NAMED)} occurs more than once; keep one of each"
        )
    values = [[_number(title, classes[k], header[i], row[i]) for i in columns]
              for k, row in enumerate(rows)]  # fmt: skip
    return tuple(header[i] for i in columns), classes, np.array(values, dtype=np.float64)


def _number(title: str, name: str, attribute: str, cell: Any) -> float:
    """Return the value of a cell, NaN where it is unknown."""
    text = str(cell).strip()
    try:
        value = float(text) if text else np.nan
    except ValueError:
        raise InvalidTargetError(
            f"{title}: {attribute!r} of {name!r} is {text!r}; attributes are numbers, empty or -1 "
            "where unknown"
        ) from None
    if np.isinf(value):
        raise InvalidTargetError(f"{title}: {attribute!r} of {name!r} is infinite")
    return float("nan") if value == UNKNOWN else value


def _usable(title: str, table: Attributes) -> Attributes:
    """Return the table without unknown values and without attributes that cannot be learned."""
    values, notes = table.values.copy(), list(table.notes)
    blank = [name for name, row in zip(table.class_names, values, strict=True)
             if np.isnan(row).all()]  # fmt: skip
    if blank:
        raise InvalidTargetError(
            f"{title}: nothing is known of {named(blank, _NAMED)}; fill in the row"
        )
    unknown = np.isnan(values)
    if unknown.any():
        notes.append(
            f"{unknown.sum()} unknown attribute value(s) were set to the mean of their attribute"
        )
        known = np.where(unknown, 0.0, values).sum(axis=0) / np.maximum((~unknown).sum(axis=0), 1)
        values = np.where(unknown, known, values)
    seen = values[: table.num_seen]
    spread = np.ptp(seen, axis=0)
    constant = spread <= 1e-12 * np.maximum(np.abs(seen).max(axis=0), 1e-300)
    if constant.any():
        dropped = [name for name, flag in zip(table.names, constant, strict=True) if flag]
        notes.append(
            f"{len(dropped)} attribute(s) are the same for all classes with images and were "
            f"dropped, as nothing can be learned about them: {named(dropped, _NAMED)}"
        )
    kept = np.flatnonzero(~constant)
    if not len(kept):
        raise InvalidTargetError(
            f"{title}: every attribute is the same for all classes with images"
        )
    names = tuple(table.names[i] for i in kept)
    return replace(table, names=names, values=values[:, kept], notes=tuple(notes))


def _distinct(title: str, table: Attributes) -> Attributes:
    """Refuse unseen classes that the table cannot tell apart; note those like a seen class."""
    same = _same_rows(table.values[table.num_seen :], table.unseen)
    if same:
        groups = "; ".join(" = ".join(group) for group in same)
        raise InvalidTargetError(
            f"{title}: classes without images have identical rows: {groups}. No image can "
            "tell them apart; add an attribute that differs, and that differs between classes "
            "with images, too"
        )
    notes = list(table.notes)
    notes += [
        f"the table has the same row for {' and '.join(group)}"
        for group in _same_rows(table.values, table.class_names)
    ]
    if table.num_seen < 10:
        notes.append(
            f"{table.num_seen} classes with images are few to learn attributes from; 10 or more "
            "are advisable"
        )
    return replace(table, notes=tuple(notes))


def _same_rows(values: NDArray[np.float64], names: Sequence[str]) -> list[list[str]]:
    groups: dict[tuple[float, ...], list[str]] = {}
    for name, row in zip(names, values, strict=True):
        groups.setdefault(tuple(row.tolist()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
