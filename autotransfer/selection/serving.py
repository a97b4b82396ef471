"""The model that MLflow serves: a saved selection behind the pyfunc interface.

MLflow copies this file into the model and runs it when the model is loaded; nothing is pickled.
A server answers

    {"dataframe_records": [{"image": "<base64 of an image file>"}]}

with class, probability and the probability of every class, one row an image.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image
from autotransfer.errors import CorruptImagesError, InvalidTargetError
from autotransfer.selection.selection import load
from autotransfer.tracking.columns import answer_columns

LONGEST_PATH = 4096  # characters; what is longer can only be an image


class ServedSelection(PythonModel):  # type: ignore[misc]
    """Predicts images: a column `image` of paths or base64, or an array (n, h, w, 3)."""

    @override
    def load_context(self, context: PythonModelContext) -> None:
        """Load the selection that the model was made from."""
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
            model_input: A table with a column `image`, or a list: the path of a file that this
                process can read, the content of a file as bytes, or as base64 with or without
                "data:...;base64," before it. Or pixels (n, h, w, 3), integers in [0, 255].
            params: Not used.

        Raises:
            InvalidTargetError: If the input is none of these.
            CorruptImagesError: If some images cannot be decoded; all of them are named.
        """
        names = self._selection.class_names
        probabilities = self._selection.predict_proba(_images(model_input))  # (n, K)
        best = probabilities.argmax(axis=1)
        values = [np.array(names, dtype=object)[best], probabilities.max(axis=1), *probabilities.T]
        return pd.DataFrame(dict(zip(answer_columns(names), values, strict=True)))


class _FileContents:
    """Reads images from the content of their files; see `data.image_set.ImageReader`."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self.names = tuple(str(i) for i in range(len(contents)))
        self._contents = tuple(contents)

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(hashlib.sha256(content).hexdigest() for content in self._contents)

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        return decode_image(self._contents[index], min_side)


def _images(model_input: Any) -> Any:
    """Return an array of pixels as it is, and anything else as a set of images."""
    if isinstance(model_input, np.ndarray) and model_input.ndim > 1:
        return model_input
    values = _column(model_input)
    contents: list[bytes] = []
    problems: list[tuple[str, str]] = []
    for i, value in enumerate(values):
        try:
            content = _content(value)
            decode_image(content, 1)  # all that are wrong are named at once
            contents.append(content)
        except (ValueError, OSError) as error:
            problems.append((str(i), str(error)))
    if problems:
        raise CorruptImagesError(problems)
    return ImageSet(_FileContents(contents), np.arange(len(contents)))


def _column(model_input: Any) -> list[Any]:
    if isinstance(model_input, dict):
        model_input = pd.DataFrame(model_input)
    if isinstance(model_input, pd.DataFrame):
        if "image" not in model_input.columns:
            raise InvalidTargetError(
                f"the table has the columns {', '.join(map(str, model_input.columns))}; it needs "
                "a column named image, with a path or an image file in base64 in each row"
            )
        model_input = model_input["image"]
    values = list(model_input)
    if not values:
        raise InvalidTargetError("there are no images; give at least one row")
    return values


def _content(value: Any) -> bytes:
    """Return the content of one image file."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}, not a path or an image file in base64")  # noqa: TRY004 - reported with the others
    if len(value) <= LONGEST_PATH and "\0" not in value and Path(value).is_file():
        return Path(value).read_bytes()
    text = value.partition(";base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("neither the path of a file nor base64") from None


set_model(ServedSelection())
