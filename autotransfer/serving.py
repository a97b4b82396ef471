"""The model that MLflow serves: a selection folder behind the pyfunc interface.

MLflow runs this file when it loads the model; there is no pickle in it.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image

import autotransfer


class ServedSelection(PythonModel):  # type: ignore[misc]
    """Predicts pictures: a column `image` of paths or base64 files, or an array (n, h, w, 3)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the selection that was logged."""
        self._selection = autotransfer.load(context.artifacts["selection"])

    def predict(
        self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return class, probability, and the probability of every class, a row a picture."""
        probabilities = self._selection.predict_proba(_pictures(model_input))
        names = self._selection.class_names
        best = probabilities.argmax(axis=1)
        table = pd.DataFrame(probabilities, columns=list(names))
        table.insert(0, "probability", probabilities.max(axis=1))
        table.insert(0, "class", [names[i] for i in best])
        return table


def _pictures(model_input: Any) -> Any:
    if isinstance(model_input, np.ndarray) and model_input.dtype == np.uint8:
        return model_input
    if isinstance(model_input, pd.DataFrame):
        column: Sequence[Any] = model_input["image"].tolist()
    else:
        column = list(model_input)
    return [_picture(value) for value in column]


def _picture(value: Any) -> Image.Image:
    if isinstance(value, bytes):
        return Image.open(io.BytesIO(value))
    if len(value) < 4096 and Path(value).is_file():
        return Image.open(value)
    try:
        return Image.open(io.BytesIO(base64.b64decode(value, validate=True)))
    except (binascii.Error, OSError) as error:
        raise ValueError("an image is a path, or a picture file in base64") from error


mlflow.models.set_model(ServedSelection())
