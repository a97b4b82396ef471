"""What a selection is given is read as the images of its fit were, or refused as by `fit`."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import autotransfer
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import open_images
from autotransfer.errors import CorruptImagesError, InvalidTargetError
from autotransfer.inspection.compare import compare_models
from autotransfer.inspection.distance import distance
from autotransfer.inspection.layer_curve import layers
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import Record
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection, load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from autotransfer.selection.served_model import Requests

Fitted = Callable[[int | None], str]
DARK = np.arange(256, dtype=np.uint16).reshape(16, 16)  # alone it could have 8 bits


@pytest.fixture
def fitted(tmp_path: Path, make_record: Callable[..., Record]) -> Fitted:
    """Return the folder of a saved selection whose images used so many bits."""

    def make(depth: int | None) -> str:
        kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), MAJORITY, baseline=True, source=None)
        Selection(make_record(depth=depth), kept).save(tmp_path / "model")
        return str(tmp_path / "model")

    return make


def _png(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def _greys(_self: object, images: ImageSet, _features: object) -> NDArray[np.float64]:
    """Return the brightest value of each image as the share of the second class."""
    found = np.array([np.asarray(images[i]).max() / 255 for i in range(len(images))])
    return np.stack([1 - found, found], axis=1)


@pytest.mark.parametrize(
    "form",
    [
        lambda content: [Image.open(io.BytesIO(content))],
        lambda content: open_images([Image.open(io.BytesIO(content))]),
        lambda content: ImageSet(PillowReader([Image.open(io.BytesIO(content))]), [0]),
        lambda content: Requests().items([base64.b64encode(content).decode()]),
    ],
    ids=["images", "opened", "set", "served"],
)
@pytest.mark.parametrize(
    ("depth", "brightest"), [(12, 255 >> 4), (16, 0), (8, 255), (10, 255 >> 2)]
)
def test_one_image_is_scaled_as_all_those_of_the_fit_were(
    fitted: Fitted,
    monkeypatch: pytest.MonkeyPatch,
    form: Callable[[bytes], Any],
    depth: int,
    brightest: int,
) -> None:
    monkeypatch.setattr(MajorityPredictor, "predict", _greys)
    selection = load(fitted(depth))
    assert selection.predict_proba(form(_png(DARK)))[0, 1] == pytest.approx(brightest / 255)


def test_an_image_deeper_than_those_of_the_fit_is_refused_by_name(fitted: Fitted) -> None:
    bright = Image.fromarray(DARK * np.uint16(200))
    with pytest.raises(CorruptImagesError, match=r"0: values up to 51,000, .* 12 bits") as found:
        load(fitted(12)).predict_proba([bright])
    assert "skip" not in str(found.value)


COMMANDS: dict[str, Callable[[Any, Any, str], Any]] = {
    "fit": lambda x, y, _: autotransfer.fit((x, y), tracking_uri="off"),
    "rank": lambda x, y, _: autotransfer.rank((x, y)),
    "layers": lambda x, y, _: layers((x, y)),
    "compare": lambda x, y, model: compare_models(model, model, (x, y)),
    "predict": lambda x, _, model: load(model).predict_proba(x),
    "distance": lambda x, _, __: distance(x, x),
}


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (np.zeros((4, 8, 8, 5), np.uint8), "with 1, 3 or 4 channels"),
        (np.full((4, 8, 8), 4095, np.uint16), "uint16 pixels from 4095 to 4095"),
        (np.full((4, 8, 8, 3), 200.0), "float64 pixels from 200 to 200"),
        ([np.zeros((8, 8, 5), np.uint8)] * 4, "with 1, 3 or 4 channels"),
    ],
)
def test_every_command_refuses_the_same_arrays_in_the_same_words(
    fitted: Fitted, images: Any, reason: str
) -> None:
    model, told = fitted(None), set()
    for command in COMMANDS.values():
        with pytest.raises(InvalidTargetError, match=reason) as found:
            command(images, ["ant", "bee"] * 2, model)
        told.add(str(found.value))
    assert len(told) == 1
