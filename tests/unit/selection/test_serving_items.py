"""A served model of texts or of sounds: what it takes, and what it refuses in words."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.errors import CorruptImagesError, InvalidTargetError
from tests.tiny_sounds import RATE, encoded, tone

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # see test_serving.py
    from autotransfer.selection import served_model
    from autotransfer.selection.served_model import FOLDER_VARIABLE, ServedSelection

LOW, HIGH = encoded(tone(300)), encoded(tone(2400), "FLAC")


class _Listening:
    """Says "high" of texts with an exclamation mark, and of sounds that cross zero often."""

    class_names = ("high", "low")

    def __init__(self, kind: str) -> None:
        self.record = SimpleNamespace(modality=kind)

    def predict_proba(self, items: ImageSet) -> NDArray[np.float64]:
        assert items.modality is Modality(self.record.modality)
        read = [items.read(i) for i in range(len(items))]
        high = [
            "!" in item
            if isinstance(item, str)
            else (np.diff(np.sign(item.samples)) != 0).mean() > 0.3
            for item in read
        ]
        return np.stack([high, np.logical_not(high)], axis=1).astype(float)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ServedSelection]:
    monkeypatch.setattr(served_model, "load", _Listening)

    def loaded(kind: str) -> ServedSelection:
        model = ServedSelection()
        model.load_context(SimpleNamespace(artifacts={"selection": kind}))
        return model

    return loaded


def _classes(model: ServedSelection, given: Any) -> list[str]:
    table = model.predict(SimpleNamespace(), given)
    assert list(table.columns) == ["class", "probability", "high", "low"]
    return list(table["class"])


@pytest.mark.parametrize(
    "given",
    [
        ["a", "b!", "a"],
        np.array(["a", "b!", "a"]),
        pd.DataFrame({"text": ["a", "b!", "a"], "other": 0}),
        pd.DataFrame({"item": ["a", "b!", "a"]}),
        {"text": ["a", "b!", "a"]},
        pd.Series(["a", "b!", "a"]),
    ],
)
def test_texts_come_as_they_are_in_any_shape_and_order(
    given: Any, served: Callable[[str], ServedSelection]
) -> None:
    assert _classes(served("text"), given) == ["low", "high", "low"]


def test_sounds_come_as_bytes_or_as_base64(served: Callable[[str], ServedSelection]) -> None:
    text = base64.b64encode(HIGH).decode()
    given = [LOW, text, f"data:audio/flac;base64,{text}", bytearray(LOW)]
    wanted = ["low", "high", "high", "low"]
    assert _classes(served("sound"), pd.DataFrame({"sound": given})) == wanted
    assert _classes(served("sound"), given) == wanted


def test_paths_of_sounds_are_read_below_the_folder_of_the_operator(
    served: Callable[[str], ServedSelection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    for name in ("open/in.wav", "secret.wav"):
        (tmp_path / name).write_bytes(HIGH)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "open"))
    assert _classes(served("sound"), ["in.wav"]) == ["high"]
    for outside in ("../secret.wav", str(tmp_path / "secret.wav")):
        with pytest.raises(CorruptImagesError, match="not base64; a path is read only below"):
            _classes(served("sound"), [outside])
    assert _classes(served("text"), ["in.wav"]) == ["low"]  # a text is never a path


def test_all_that_cannot_be_used_is_named_at_once(
    served: Callable[[str], ServedSelection],
) -> None:
    with pytest.raises(CorruptImagesError) as texts:
        _classes(served("text"), ["fine", "", 3, "a\0b", None])
    assert str(texts.value).splitlines() == [
        "4 text(s) cannot be used; repair or remove them:",
        "  1: empty",
        "  2: a int, not a text",
        "  3: has NUL characters, so it is no text",
        "  4: a NoneType, not a text",
    ]
    silent = encoded(np.zeros(RATE))
    with pytest.raises(CorruptImagesError) as sounds:
        _classes(served("sound"), [LOW, b"noise", silent, 3.5])
    first, *lines = str(sounds.value).splitlines()
    assert first.startswith("3 sound(s) cannot be used")
    assert lines[0].startswith("  1: no sound that can be read")
    assert lines[1:] == ["  2: silent", "  3: a float, not a sound file in base64"]


def test_a_request_is_limited_in_items_characters_and_samples(
    served: Callable[[str], ServedSelection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "MOST_SAMPLES", 100)
    with pytest.raises(CorruptImagesError, match="2,400 samples; 100 is the limit"):
        _classes(served("sound"), [LOW])
    with pytest.raises(CorruptImagesError, match="0: has 10,000,001 characters; 10,000,000 is"):
        _classes(served("text"), ["a" * 10_000_001, "short"])
    monkeypatch.setenv(served_model.MOST_VARIABLE, "2")
    with pytest.raises(InvalidTargetError, match="3 texts in one request; 2 is the limit"):
        _classes(served("text"), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("text", pd.DataFrame({"image": ["a"]}), "a column named text, with a text in each row"),
        ("sound", {"text": "a"}, "a column named sound, with a sound file in base64"),
        ("text", pd.DataFrame({"text": []}), "there are no texts; give at least one row"),
        ("sound", [], "there are no sounds"),
    ],
)
def test_a_table_of_something_else_is_refused(
    kind: str, given: Any, message: str, served: Callable[[str], ServedSelection]
) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        _classes(served(kind), given)
