"""Texts in memory with their labels: lists, columns of a table, datasets of Hugging Face."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from autotransfer.data.columns import values_of
from autotransfer.data.images.decoding import EXTENSIONS
from autotransfer.data.labels import listed
from autotransfer.data.listing import Listing
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import InvalidTargetError

TEXT_KEYS = (
    *("text", "texts", "sentence", "utterance", "document", "query", "question"),
    *("review", "message", "content", "body"),
)


def is_texts(target: Any) -> bool:
    """Return whether this is a list or a column of texts, not of paths.

    Where nobody says so, texts are told from paths by their spaces: none ends like an image, some
    has a space, and the first one names no file.
    """
    values = values_of(target)
    if not values or not all(isinstance(value, str) for value in values):
        return False
    if any(value.lower().endswith(EXTENSIONS) for value in values):
        return False
    return any(" " in value.strip() for value in values) and not _is_file(values[0])


def read_texts(texts: Any, labels: Any | None = None) -> Listing:
    """Return texts in memory, with labels or without.

    Args:
        texts: A list, an array or a column of n texts.
        labels: (n,) integers or names; None without labels.

    Raises:
        InvalidTargetError: If it is none of these, or the labels do not fit.
    """
    if isinstance(texts, str | bytes | Mapping) or not hasattr(texts, "__iter__"):
        raise InvalidTargetError(
            f"a target of type {type(texts).__name__} holds no texts; give a path, a list of "
            "texts, (texts, labels), or a table with the columns text and label"
        )
    return listed(TextReader(list(texts)), labels, "texts")


def text_column(dataset: Any) -> str | None:
    """Return the column of a Hugging Face dataset that holds texts; None where images come first.

    Args:
        dataset: Has `features` and `column_names`.
    """
    kinds = {name: type(feature).__name__ for name, feature in dataset.features.items()}
    if "Image" in kinds.values():
        return None
    strings = [n for n, f in dataset.features.items() if getattr(f, "dtype", "") == "string"]
    known = [name for name in TEXT_KEYS if name in strings]
    return known[0] if known else None


def _is_file(text: str) -> bool:
    try:
        return os.path.exists(text)  # noqa: PTH110 - of whatever text, also one that is no path
    except ValueError:
        return False
