"""The model that MLflow serves: a saved selection behind the pyfunc interface.

A server answers one of

    {"dataframe_records": [{"image": "<base64 of an image file>"}]}
    {"dataframe_records": [{"text": "where is my card?"}]}
    {"dataframe_records": [{"sound": "<base64 of a sound file>"}]}

as the items of the fit were, with class, probability and the probability of every class, one row
an item. Who asks is not trusted: a path is read only below the folder that the operator names, and
one request is limited in items, bytes, pixels and samples.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fsspec.implementations.local import LocalFileSystem
from mlflow.pyfunc import PythonModel, PythonModelContext
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image
from autotransfer.data.images.reading import FileReader
from autotransfer.data.item_kinds import decode_item, offered_kind
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.decoding import decode_sound
from autotransfer.data.texts.decoding import reason_against
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import CorruptImagesError, InvalidOptionError, InvalidTargetError
from autotransfer.selection.predictions import answer_table
from autotransfer.selection.selection import load

FOLDER_VARIABLE = "AUTOTRANSFER_SERVED_FOLDER"
MOST_VARIABLE = "AUTOTRANSFER_SERVED_MOST_IMAGES"
MOST_IMAGES = 10_000  # of a request, unless MOST_VARIABLE says otherwise
MOST_BYTES = 64 << 20  # of the file of one item
MOST_READ = 1 << 30  # bytes of all files that one request names
MOST_PIXELS = 50_000_000  # of one image as it is decoded; a large JPEG is decoded at 1/8
MOST_SAMPLES = 50_000_000  # of one sound, of all its channels together
LONGEST_PATH = 4096  # characters; what is longer can only be the content of a file


class ServedSelection(PythonModel):  # type: ignore[misc]
    """Predicts images, texts or sounds, whichever the fit was about.

    They come in a column that is called `image`, `text` or `sound`, or `item`: texts as they are,
    images and sounds as base64, bytes or paths. Images also as an array (n, h, w, 3).
    """

    @override
    def load_context(self, context: PythonModelContext) -> None:
        """Load the selection that the model was made from.

        Raises:
            InvalidOptionError: If a variable of the environment is wrong.
        """
        self._requests = Requests.from_environment()
        self._selection = load(context.artifacts["selection"])

    @override
    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return one row an item, in order: class, probability, and one column a class.

        Args:
            context: Where the model is; not used.
            model_input: A table with a column as above, or a list of its values. The content of
                an image or a sound file is bytes, or base64 with or without "data:...;base64,"
                before it. Where AUTOTRANSFER_SERVED_FOLDER names a folder, the path of a file
                below it, too. Or pixels (n, h, w, 3), integers in [0, 255].
            params: Not used.

        Raises:
            InvalidTargetError: If the input is none of these, or there are too many items.
            CorruptImagesError: If some items cannot be used; all of them are named.
        """
        kind = Modality(self._selection.record.modality)
        found = self._selection.predict_proba(self._requests.items(model_input, kind))  # (n, K)
        return answer_table(self._selection.class_names, found)


@dataclass(frozen=True)
class Requests:
    """What a request may hold.

    Args:
        folder: Where paths are read, absolute; None reads none.
        most_images: Items of one request.
    """

    folder: Path | None = None
    most_images: int = MOST_IMAGES

    @classmethod
    def from_environment(cls) -> Requests:
        """Return what the operator of the server allows.

        Raises:
            InvalidOptionError: If there is no such folder, or the number is none.
        """
        named, most = os.environ.get(FOLDER_VARIABLE), os.environ.get(MOST_VARIABLE)
        if named and not Path(named).is_dir():
            raise InvalidOptionError(f"{FOLDER_VARIABLE}: there is no folder {named!r}")
        if most and not (most.isascii() and most.isdigit() and int(most)):
            raise InvalidOptionError(f"{MOST_VARIABLE} must be a number from 1 on, got {most!r}")
        # normalised as the path of a client is: only text is compared before a file is looked at
        folder = Path(os.path.abspath(named)) if named else None  # noqa: PTH100 - see above
        return cls(folder, int(most) if most else MOST_IMAGES)

    def items(self, model_input: Any, kind: Modality = Modality.IMAGE) -> Any:
        """Return an array of pixels as it is, and anything else as a set of items.

        Args:
            model_input: As for `ServedSelection.predict`.
            kind: What the items are.
        """
        if isinstance(model_input, np.ndarray) and model_input.ndim > 1 and kind is Modality.IMAGE:
            self._refuse_many(len(model_input), kind)
            return model_input
        values = _column(model_input, kind)
        self._refuse_many(len(values), kind)
        contents: list[Any] = []
        problems: list[tuple[str, str]] = []
        left = MOST_READ
        for i, value in enumerate(values):
            try:
                if kind is Modality.TEXT:
                    contents.append(_text(value))
                    continue
                file = self._file(value)
                content = _content(value, kind) if file is None else _read(file, left)
                left -= 0 if file is None else len(content)
                _refuse_large(len(content))
                _decoded(content, kind, 1)  # all that are wrong are named at once
                contents.append(content)
            except (ValueError, OSError) as error:
                problems.append((str(i), str(error)))
        if problems:
            raise CorruptImagesError(problems, item=kind)
        reader = TextReader(contents) if kind is Modality.TEXT else _FileContents(contents, kind)
        return ImageSet(reader, np.arange(len(contents)))

    def _refuse_many(self, count: int, kind: Modality) -> None:
        if count > self.most_images:
            raise InvalidTargetError(
                f"{count:,} {kind.plural} in one request; {self.most_images:,} is the limit: send "
                f"several requests ({MOST_VARIABLE} sets the limit where the model is loaded)"
            )

    def _file(self, value: Any) -> Path | None:
        """Return the file that a path names, or None; outside the folder nothing is looked at."""
        if self.folder is None or not isinstance(value, str):
            return None
        if len(value) > LONGEST_PATH or "\0" in value:
            return None
        path = os.path.normpath(self.folder / value)
        if not Path(path).is_relative_to(self.folder):
            return None
        file = Path(os.path.realpath(path))  # a link below the folder may lead out of it
        inside = file.is_relative_to(os.path.realpath(self.folder))
        return file if inside and file.is_file() else None


class _FileContents:
    """Reads items from the content of their files; see `data.image_set.ImageReader`."""

    def __init__(self, contents: Sequence[bytes], kind: Modality) -> None:
        self.names = tuple(str(i) for i in range(len(contents)))
        self.modality = kind
        self._contents = tuple(contents)

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(hashlib.sha256(content).hexdigest() for content in self._contents)

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        return _decoded(self._contents[index], self.modality, min_side, depth)


def _decoded(
    content: bytes, kind: Modality, min_side: int | None = None, depth: int | None = None
) -> Any:
    """Return an image or a sound, no larger than a request may hold."""
    if offered_kind(kind) is not None:
        return decode_item(kind, content)
    if kind is Modality.SOUND:
        return decode_sound(content, most_samples=MOST_SAMPLES)
    return decode_image(content, min_side, depth, MOST_PIXELS)


def _column(model_input: Any, kind: Modality) -> list[Any]:
    names = (str(kind), "item")
    if isinstance(model_input, dict | pd.DataFrame):
        known = [name for name in names if name in model_input]
        if not known:
            what = "a text" if kind is Modality.TEXT else f"{_an(kind)} file in base64"
            raise InvalidTargetError(
                f"the table has the columns {', '.join(map(str, model_input))}; it needs "
                f"a column named {kind}, with {what} in each row"
            )
        model_input = model_input[known[0]]
    if isinstance(model_input, np.ndarray):
        model_input = model_input.reshape(-1)
    one = isinstance(model_input, str | bytes) or not hasattr(model_input, "__iter__")
    values = [model_input] if one else list(model_input)
    if not values:
        raise InvalidTargetError(f"there are no {kind.plural}; give at least one row")
    return values


def _an(kind: Modality) -> str:
    return f"an {kind}" if kind is Modality.IMAGE else f"a {kind}"


def _text(value: Any) -> str:
    """Return one text that came with the request."""
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}, not a text")  # noqa: TRY004 - reported with the others
    if why := reason_against(value):
        raise ValueError(why)
    return value


def _content(value: Any, kind: Modality) -> bytes:
    """Return the content of one file that came with the request."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}, not {_an(kind)} file in base64")  # noqa: TRY004 - reported with the others
    text = value.partition(";base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError(
            f"not base64; a path is read only below the folder that {FOLDER_VARIABLE} names"
        ) from None


def _read(file: Path, most: int) -> bytes:
    """Return the content of a file, read as any other is; `most` is what the request may read."""
    size = file.stat().st_size
    _refuse_large(size)
    if size > most:
        raise ValueError(
            f"the files of the request hold more than {MOST_READ >> 20} MiB, the limit"
        )
    try:
        return FileReader(LocalFileSystem(), [str(file)], [file.name]).content(0)
    except CorruptImagesError as error:
        raise ValueError(error.problems[0][1]) from None


def _refuse_large(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"a file of {size:,} bytes; {MOST_BYTES >> 20} MiB is the limit")
