from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import CorruptImagesError, InvalidOptionError, InvalidTargetError

# What MLflow 3.17 says about its own type hints while it is imported is not ours to repair.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from autotransfer.selection import served_model
    from autotransfer.selection.served_model import FOLDER_VARIABLE, MOST_VARIABLE, ServedSelection

RED, BLUE = (255, 0, 0), (0, 0, 255)


class _Reddish:
    """Says "red" with the share of red in the first pixel."""

    class_names = ("red", "other")
    record = SimpleNamespace(modality="image")

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        pictures = [images[i] for i in range(len(images))]
        red = np.array([np.asarray(picture)[0, 0, 0] / 255 for picture in pictures])
        return np.stack([red, 1 - red], axis=1)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ServedSelection]:
    """Load the model from a selection folder named "folder", with variables set."""
    monkeypatch.setattr(served_model, "load", {"folder": _Reddish()}.__getitem__)

    def loaded(**variables: str | Path) -> ServedSelection:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        model = ServedSelection()
        model.load_context(SimpleNamespace(artifacts={"selection": "folder"}))
        return model

    return loaded


@pytest.fixture
def served(load: Callable[..., ServedSelection]) -> ServedSelection:
    """The model as a server has it without any variable."""
    return load()


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def predict(model: ServedSelection, model_input: Any) -> pd.DataFrame:
    table: pd.DataFrame = model.predict(SimpleNamespace(), model_input)
    return table


def test_base64_and_bytes_give_one_row_an_image_in_order(served: ServedSelection) -> None:
    text = base64.b64encode(png(BLUE)).decode()
    wrapped = "\n".join(text[i : i + 60] for i in range(0, len(text), 60))
    images = [png(RED), text, f"data:image/png;base64,{text}", wrapped, bytearray(png(RED))]
    table = predict(served, pd.DataFrame({"image": images, "other": 0}))
    assert list(table.columns) == ["class", "probability", "red", "other"]
    assert table["class"].tolist() == ["red", "other", "other", "other", "red"]
    assert table["probability"].tolist() == [1.0] * 5
    assert table["red"].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]


def reason(model: ServedSelection, value: Any) -> str:
    """Return why an image is refused; "" if it is not."""
    try:
        predict(model, [value])
    except CorruptImagesError as error:
        return error.problems[0][1]
    return ""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with an image, beside it another one, and links between them."""
    for name in ("open/in.png", "open/sub/in.png", "secret.png", "opened/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(RED))
    (tmp_path / "secret.txt").write_text("no image")
    os.mkfifo(tmp_path / "open" / "pipe.png")
    for link, to in {
        "leak.png": "../secret.png",
        "dangling.png": "../missing.png",
        "up": "..",
        "own.png": "in.png",
        "loop.png": "loop.png",
    }.items():
        (tmp_path / "open" / link).symlink_to(to)
    (tmp_path / "link").symlink_to("open")
    return tmp_path


def test_a_path_is_read_only_below_the_folder_that_the_operator_names(
    load: Callable[..., ServedSelection], files: Path
) -> None:
    for folder in (files / "open", files / "link", "open", "./open/", files / "open/sub/.."):
        model = load(**{FOLDER_VARIABLE: folder})
        inside = ["in.png", "sub/in.png", "own.png", "sub/../in.png", str(model._requests.folder)]
        inside[-1] += "/in.png"
        assert predict(model, inside)["class"].tolist() == ["red"] * 5


def test_no_answer_tells_whether_a_file_outside_the_folder_exists(
    load: Callable[..., ServedSelection], files: Path
) -> None:
    pairs = [  # there, and not there
        (f"{files}/secret.png", f"{files}/missin.png"),
        (f"{files}/secret.txt", f"{files}/missin.txt"),
        ("../secret.png", "../missing.png"),
        ("sub/../../secret.png", "sub/../../missing.png"),
        (f"{files}/opened/x.png", f"{files}/opened/y.png"),
        ("leak.png", "dangling.png"),
        ("up/secret.png", "up/missing.png"),
        ("up/open/../secret.png", "up/open/../missing.png"),
        ("/proc/self/environ", "/proc/self/nothing"),
        ("/etc/passwd", "/etc/passwx"),
    ]
    for variables in ({}, {FOLDER_VARIABLE: files / "open"}):
        model = load(**variables)
        for there, missing in pairs:
            assert reason(model, there) == reason(model, missing) != ""
    for odd in ("pipe.png", "loop.png", "sub", "a" * 300, "\0", "\ud800", "in.png/x", "x" * 5000):
        assert reason(model, odd)


def test_without_a_folder_no_path_is_read(served: ServedSelection, files: Path) -> None:
    assert FOLDER_VARIABLE in reason(served, str(files / "open" / "in.png"))
    assert FOLDER_VARIABLE in reason(served, "open/in.png")


@pytest.mark.parametrize(
    ("name", "value"),
    [(FOLDER_VARIABLE, "missing"), (MOST_VARIABLE, "0"), (MOST_VARIABLE, "many")],
)
def test_a_wrong_variable_stops_the_server_at_its_start(
    load: Callable[..., ServedSelection], name: str, value: str
) -> None:
    with pytest.raises(InvalidOptionError, match=name):
        load(**{name: value})


def test_a_request_is_limited_in_images_bytes_and_pixels(
    load: Callable[..., ServedSelection], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(**{FOLDER_VARIABLE: files / "open", MOST_VARIABLE: "3"})
    for three in ([png(RED)] * 3, np.zeros((3, 8, 8, 3), dtype=np.uint8)):
        assert len(predict(model, three)) == 3
    for four in ([png(RED)] * 4, np.zeros((4, 8, 8, 3), dtype=np.uint8)):
        with pytest.raises(InvalidTargetError, match="4 images in one request; 3 is the limit"):
            predict(model, four)
    size = len(png(RED))
    monkeypatch.setattr(served_model, "MOST_READ", 2 * size)
    with pytest.raises(CorruptImagesError) as caught:
        predict(model, ["in.png", "own.png", "in.png"])
    assert [name for name, _ in caught.value.problems] == ["2"]
    for name, most in (("MOST_BYTES", size - 1), ("MOST_PIXELS", 63)):
        with monkeypatch.context() as limited:
            limited.setattr(served_model, name, most)
            for value in (png(RED), "in.png", base64.b64encode(png(RED)).decode()):
                assert "is the limit" in reason(model, value)


def test_a_plain_list_is_a_column(served: ServedSelection) -> None:
    text = base64.b64encode(png(RED)).decode()
    for model_input in (
        [text], np.array([text]), {"image": [text]}, pd.Series([text]), text, png(RED),
        {"image": text},
    ):  # fmt: skip
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
    assert "--on-bad-image" not in str(caught.value)  # a client has no such option


@pytest.mark.parametrize(
    ("model_input", "message"),
    [
        (pd.DataFrame({"picture": ["a"]}), "the columns picture; it needs a column named image"),
        ({"picture": "a"}, "the columns picture; it needs a column named image"),
        (pd.DataFrame({"image": []}), "there are no images"),
    ],
)
def test_a_table_without_pictures_is_refused(
    served: ServedSelection, model_input: pd.DataFrame, message: str
) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        predict(served, model_input)
