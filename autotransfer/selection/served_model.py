"""The model that MLflow serves: a saved selection behind the pyfunc interface.

A server answers

    {"dataframe_records": [{"image": "<base64 of an image file>"}]}

with class, probability and the probability of every class, one row an image. Who asks is not
trusted: a path is read only below the folder that the operator names, and one request is limited
in images, bytes and pixels.
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
from PIL import Image
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image
from autotransfer.data.images.reading import FileReader
from autotransfer.errors import CorruptImagesError, InvalidOptionError, InvalidTargetError
from autotransfer.selection.predictions import answer_table
from autotransfer.selection.selection import load

FOLDER_VARIABLE = "AUTOTRANSFER_SERVED_FOLDER"
MOST_VARIABLE = "AUTOTRANSFER_SERVED_MOST_IMAGES"
MOST_IMAGES = 10_000  # of a request, unless MOST_VARIABLE says otherwise
MOST_BYTES = 64 << 20  # of the file of one image
MOST_READ = 1 << 30  # bytes of all files that one request names
MOST_PIXELS = 50_000_000  # of one image as it is decoded; a large JPEG is decoded at 1/8
LONGEST_PATH = 4096  # characters; what is longer can only be an image


class ServedSelection(PythonModel):  # type: ignore[misc]
    """Predicts images: a column `image` of base64, bytes or paths, or an array (n, h, w, 3)."""

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
        """Return one row an image, in order: class, probability, and one column a class.

        Args:
            context: Where the model is; not used.
            model_input: A table with a column `image`, or a list: the content of an image file
                as bytes, or as base64 with or without "data:...;base64," before it. Where
                AUTOTRANSFER_SERVED_FOLDER names a folder, the path of a file below it, too. Or
                pixels (n, h, w, 3), integers in [0, 255].
            params: Not used.

        Raises:
            InvalidTargetError: If the input is none of these, or there are too many images.
            CorruptImagesError: If some images cannot be decoded; all of them are named.
        """
        found = self._selection.predict_proba(self._requests.images(model_input))  # (n, K)
        return answer_table(self._selection.class_names, found)


@dataclass(frozen=True)
class Requests:
    """What a request may hold.

    Args:
        folder: Where paths are read, absolute; None reads none.
        most_images: Of one request.
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

    def images(self, model_input: Any) -> Any:
        """Return an array of pixels as it is, and anything else as a set of images."""
        if isinstance(model_input, np.ndarray) and model_input.ndim > 1:
            self._refuse_many(len(model_input))
            return model_input
        values = _column(model_input)
        self._refuse_many(len(values))
        contents: list[bytes] = []
        problems: list[tuple[str, str]] = []
        left = MOST_READ
        for i, value in enumerate(values):
            try:
                file = self._file(value)
                content = _content(value) if file is None else _read(file, left)
                left -= 0 if file is None else len(content)
                _refuse_large(len(content))
                decode_image(content, 1, None, MOST_PIXELS)  # all that are wrong are named at once
                contents.append(content)
            except (ValueError, OSError) as error:
                problems.append((str(i), str(error)))
        if problems:
            raise CorruptImagesError(problems)
        return ImageSet(_FileContents(contents), np.arange(len(contents)))

    def _refuse_many(self, count: int) -> None:
        if count > self.most_images:
            raise InvalidTargetError(
                f"{count:,} images in one request; {self.most_images:,} is the limit: send "
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
    """Reads images from the content of their files; see `data.image_set.ImageReader`."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self.names = tuple(str(i) for i in range(len(contents)))
        self._contents = tuple(contents)

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(hashlib.sha256(content).hexdigest() for content in self._contents)

    def read(
        self, index: int, min_side: int | None = None, depth: int | None = None
    ) -> Image.Image:
        return decode_image(self._contents[index], min_side, depth, MOST_PIXELS)


def _column(model_input: Any) -> list[Any]:
    if isinstance(model_input, dict):
        model_input = model_input.get("image", pd.DataFrame(columns=list(model_input)))
    if isinstance(model_input, pd.DataFrame):
        if "image" not in model_input.columns:
            raise InvalidTargetError(
                f"the table has the columns {', '.join(map(str, model_input.columns))}; it needs "
                "a column named image, with an image file in base64 in each row"
            )
        model_input = model_input["image"]
    if isinstance(model_input, np.ndarray):
        model_input = model_input.reshape(-1)
    one = isinstance(model_input, str | bytes) or not hasattr(model_input, "__iter__")
    values = [model_input] if one else list(model_input)
    if not values:
        raise InvalidTargetError("there are no images; give at least one row")
    return values


def _content(value: Any) -> bytes:
    """Return the content of one image file that came with the request."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}, not an image file in base64")  # noqa: TRY004 - reported with the others
    text = value.partition(";base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError(
            f"not base64; a path is read only below the folder that {FOLDER_VARIABLE} names"
        ) from None


def _read(file: Path, most: int) -> bytes:
    """Return the content of a file, read as any image is; `most` is what the request may read."""
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
