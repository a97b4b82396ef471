"""Texts as a reader of items: they are kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from autotransfer.data.image_set import ImageSet
from autotransfer.data.listing import readable
from autotransfer.data.modality import Modality
from autotransfer.data.texts.decoding import decode_text, reason_against
from autotransfer.errors import CorruptImagesError


class TextReader:
    """Texts in memory; see `data.image_set.ImageReader`.

    Args:
        texts: The texts; anything else is a problem of that item.
        names: What each is called; None numbers them.
        problems: Why an item cannot be used, by its position.
    """

    modality: ClassVar[Modality] = Modality.TEXT

    def __init__(
        self,
        texts: Sequence[Any],
        names: Sequence[str] | None = None,
        problems: Mapping[int, str] | None = None,
    ) -> None:
        numbered = map(str, range(len(texts)))
        self.names = tuple(numbered if names is None else map(readable, names))
        self._texts = tuple(text if isinstance(text, str) else "" for text in texts)
        no_texts = {i: _no_text(t) for i, t in enumerate(texts) if not isinstance(t, str)}
        self._problems = {**no_texts, **(problems or {})}

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each text."""
        return tuple(
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            for text in self._texts
        )

    def read(self, index: int, *_: Any) -> str:
        """Return one text.

        Raises:
            CorruptImagesError: If it cannot be used.
        """
        reason = self._problems.get(index) or reason_against(self._texts[index])
        if reason:
            raise CorruptImagesError([(self.names[index], reason)])
        return self._texts[index]


def read_files(reader: Any) -> TextReader:
    """Return the texts in the files that a reader of files gives.

    Args:
        reader: Has names, and returns the content of the file at a position.
    """
    texts, problems = [""] * len(reader.names), {}
    for i in range(len(texts)):
        try:
            texts[i] = decode_text(reader.content(i))
        except CorruptImagesError as error:
            problems[i] = error.problems[0][1]
        except ValueError as error:
            problems[i] = str(error)
    return TextReader(texts, reader.names, problems)


def texts_of(items: ImageSet) -> list[str]:
    """Return the texts of a set of texts, in order."""
    return [str(items.read(i)) for i in range(len(items))]


def _no_text(value: object) -> str:
    missing = value is None or value != value  # NaN is how a table lacks one
    return "empty" if missing else f"a {type(value).__name__}, not a text"
