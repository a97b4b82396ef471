"""Labels in memory, in whatever form they come: one class for each image."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageReader
from autotransfer.data.listing import Listing, bytewise
from autotransfer.data.pandas_types import is_missing
from autotransfer.errors import InvalidTargetError

_WANTED = "labels must be whole numbers or names"


def flat_labels(labels: Any, n: int) -> NDArray[Any]:
    """Return (n,) labels: whole numbers as integers, names as text.

    Args:
        labels: (n,) or (n, 1) numbers or names: an array, a tensor, a column of a table or a
            list. Bytes are names in UTF-8.
        n: How many there must be.

    Raises:
        InvalidTargetError: If they are none of these, or one is missing.
    """
    values = _array(labels)
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        rows = values.ndim == 2 and len(values) == n
        raise InvalidTargetError(
            f"labels of the shape {values.shape} for {n} item(s); they must be ({n},), one "
            "number or name each" + (": of one-hot rows, give labels.argmax(1)" if rows else "")
        )
    if values.dtype.kind not in "biuf":
        values = _of_objects(values.astype(object))
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.round(values)).all()):
            raise InvalidTargetError(f"{_WANTED}, not fractions or NaN")
        return values.astype(np.int64)
    return values


def listed(reader: ImageReader, labels: Any | None, name: str) -> Listing:
    """Return items in memory, all to learn from, with labels or without.

    Args:
        reader: Of the n items.
        labels: As for `flat_labels`; None without labels.
        name: What they are called in messages.

    Raises:
        InvalidTargetError: If the labels do not fit.
    """
    splits = ["train"] * len(reader.names)
    if labels is None:
        return Listing(reader, splits, name=name)
    values = flat_labels(labels, len(splits))
    return Listing(reader, splits, named(values), class_names_of(values), name=name)


def class_names_of(values: NDArray[Any]) -> tuple[str, ...]:
    """Return the classes: numbers in their order, names bytewise."""
    if values.dtype.kind in "iub":
        return tuple(named(np.unique(values)))
    return tuple(bytewise(set(named(values))))


def named(values: NDArray[Any]) -> list[str]:
    """Return labels as text."""
    return [str(value) for value in values.tolist()]


def plain_label(value: Any) -> Any:
    """Return one label as a plain value, where it is a number or text of another library."""
    if hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)):
        value = value.item()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidTargetError(f"the label {value!r} is not text in UTF-8") from None
    return value


def _array(labels: Any) -> NDArray[Any]:
    if isinstance(labels, np.ma.MaskedArray):
        labels, masked = labels.data.astype(object), np.ma.getmaskarray(labels)
        labels[masked] = None
    if hasattr(labels, "detach"):  # a tensor, on whatever device
        labels = labels.detach().cpu()
    if isinstance(labels, str | bytes | Mapping | Set):
        raise InvalidTargetError(f"{_WANTED} in the order of the items, not a {_type(labels)}")
    try:
        if hasattr(labels, "__array__"):
            return np.asarray(labels)
        items = [plain_label(item) for item in labels]
        if any(np.ndim(item) for item in items):
            return np.asarray([np.asarray(item) for item in items])
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidTargetError(f"{_WANTED}, one for each item ({error})") from None
    values = np.empty(len(items), dtype=object)  # numpy would take None for the name 'None'
    values[:] = items
    return values


def _of_objects(values: NDArray[Any]) -> NDArray[Any]:
    """Return an object array of numbers, or of names."""
    plain = [plain_label(value) for value in values]
    for i, value in enumerate(plain):
        if not isinstance(value, str | int | float) and not _missing(value):
            raise InvalidTargetError(f"{_WANTED}; that of item {i} is a {_type(value)}")
        blank = isinstance(value, str) and not value.strip()
        if blank or _missing(value):
            raise InvalidTargetError(
                f"{_WANTED}, without gaps; that of item {i} is {'blank' if blank else value}: "
                "leave the item out"
            )
    texts = [isinstance(value, str) for value in plain]
    if not any(texts):
        numbers = np.array(plain)
        return numbers if numbers.dtype.kind in "biuf" else np.array(list(map(str, plain)))
    for i, value in enumerate(plain):
        if isinstance(value, float):
            raise InvalidTargetError(f"{_WANTED}; that of item {i} is {value:g} beside names")
    found = np.empty(len(plain), dtype=object)
    found[:] = [str(value) for value in plain]
    return found


def _missing(value: Any) -> bool:
    return bool(np.ndim(value) == 0 and is_missing(value))


def _type(value: Any) -> str:
    return type(value).__name__
