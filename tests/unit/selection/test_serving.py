from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import CorruptImagesError, InvalidTargetError

# What MLflow 3.17 says about its own type hints while it is imported is not ours to repair.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from autotransfer.selection import serving
    from autotransfer.selection.serving import ServedSelection

RED, BLUE = (255, 0, 0), (0, 0, 255)


class _Reddish:
    """Says "red" with the share of red in the first pixel."""

    class_names = ("red", "other")

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        pictures = [images[i] for i in range(len(images))]
        red = np.array([np.asarray(picture)[0, 0, 0] / 255 for picture in pictures])
        return np.stack([red, 1 - red], axis=1)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> ServedSelection:
    """The model, loaded from a selection folder named "folder"."""
    answers = {"folder": _Reddish()}
    monkeypatch.setattr(serving, "load", answers.__getitem__)
    model = ServedSelection()
    model.load_context(SimpleNamespace(artifacts={"selection": "folder"}))
    return model


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def predict(model: ServedSelection, model_input: Any) -> pd.DataFrame:
    table: pd.DataFrame = model.predict(SimpleNamespace(), model_input)
    return table


def test_paths_base64_and_bytes_give_one_row_a_picture_in_order(
    served: ServedSelection, tmp_path: Path
) -> None:
    path = tmp_path / "rot.png"
    path.write_bytes(png(RED))
    text = base64.b64encode(png(BLUE)).decode()
    wrapped = "\n".join(text[i : i + 60] for i in range(0, len(text), 60))
    images = [str(path), text, f"data:image/png;base64,{text}", wrapped, png(RED)]
    table = predict(served, pd.DataFrame({"image": images, "other": 0}))
    assert list(table.columns) == ["class", "probability", "red", "other"]
    assert table["class"].tolist() == ["red", "other", "other", "other", "red"]
    assert table["probability"].tolist() == [1.0] * 5
    assert table["red"].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]


def test_a_plain_list_is_a_column(served: ServedSelection) -> None:
    text = base64.b64encode(png(RED)).decode()
    for model_input in ([text], np.array([text]), {"image": [text]}, pd.Series([text])):
        assert predict(served, model_input)["class"].tolist() == ["red"]


def test_pixels_go_through_as_they_are(served: ServedSelection) -> None:
    pixels = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    pixels[1, ..., 0] = 255
    assert predict(served, pixels)["class"].tolist() == ["other", "red"]


def test_a_picture_is_turned_upright(served: ServedSelection) -> None:
    image = Image.new("RGB", (8, 8), BLUE)
    image.paste(RED, (0, 7, 8, 8))  # the last row is the first one of the upright item
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    assert predict(served, [buffer.getvalue()])["class"].tolist() == ["red"]


def test_the_pictures_are_known_by_their_content(
    served: ServedSelection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ImageSet] = []

    def note(images: ImageSet) -> NDArray[np.float64]:
        seen.append(images)
        return np.array([[1.0, 0.0]] * len(images))

    monkeypatch.setattr(served._selection, "predict_proba", note)
    predict(served, [png(RED), png(RED), png(BLUE)])
    first, second, third = seen[0].digests
    assert first == second != third


def test_all_bad_pictures_are_named_at_once(served: ServedSelection) -> None:
    nonsense = base64.b64encode(b"nonsense").decode()
    with pytest.raises(CorruptImagesError) as caught:
        predict(served, [png(RED), "no such file.png", nonsense, 7, ""])
    assert [name for name, _ in caught.value.problems] == ["1", "2", "3", "4"]
    assert "neither the path of a file nor base64" in str(caught.value)


@pytest.mark.parametrize(
    ("model_input", "message"),
    [
        (pd.DataFrame({"picture": ["a"]}), "the columns picture; it needs a column named image"),
        (pd.DataFrame({"image": []}), "there are no images"),
    ],
)
def test_a_table_without_pictures_is_refused(
    served: ServedSelection, model_input: pd.DataFrame, message: str
) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        predict(served, model_input)
