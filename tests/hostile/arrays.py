"""Arrays of images and data sets that cannot be used."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tests.hostile.folders import Spoil, image_bytes
from tests.hostile.place import Place
from tests.hostile.tables import written


def _arrays(**change: Any) -> Spoil:
    def make(place: Place) -> str:
        good = dict(np.load(place.good / "bars.npz"))
        kept = {key: value for key, value in (good | change).items() if value is not None}
        np.savez(place.root / "thing.npz", **kept)
        return "thing.npz"

    return make


IMAGES = np.random.default_rng(0).integers(0, 255, (36, 8, 8, 3), dtype=np.uint8)

ARRAYS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "an npz without labels of its images": (_arrays(y_train=None), ("y_train",)),
    "an npz without images": (_arrays(x_train=None, x_test=None), ("thing.npz",)),
    "an npz with fewer labels": (_arrays(y_train=np.arange(5) % 3), ("labels", "(5,)")),
    "an npz of flat images": (_arrays(x_train=np.zeros((36, 9), np.uint8)), ("(36, 9)",)),
    "an npz of images with five channels": (
        _arrays(x_train=np.zeros((36, 8, 8, 5), np.uint8)),
        ("channels",),
    ),
    "an npz of complex images": (_arrays(x_train=IMAGES.astype(complex)), ("complex128",)),
    "an npz of NaN": (_arrays(x_train=np.full((36, 8, 8, 3), np.nan)), ("nan",)),
    "an npz of objects": (_arrays(y_train=np.array([object()] * 36)), ("thing.npz",)),
    "an npz of two kinds of labels": (
        _arrays(y_train=np.array(["a"] * 18 + ["b"] * 18)),
        ("'0' has 0",),
    ),
    "an npz of labels in two columns": (
        _arrays(y_train=np.zeros((36, 2), int)),
        ("labels", "(36, 2)"),
    ),
    "an npz of NaN labels": (_arrays(y_train=np.full(36, np.nan)), ("labels",)),
    "an npz of halves as labels": (_arrays(y_train=np.arange(36) / 2), ("labels",)),
    "an npz of no image": (
        _arrays(x_train=np.zeros((0, 8, 8, 3), np.uint8), y_train=np.zeros(0, int)),
        ("no training images",),
    ),
    "text named npz": (written("no arrays", "thing.npz"), ("thing.npz",)),
    "an empty npz": (written("", "thing.npz"), ("thing.npz",)),
    "an npz that is a pipe": (
        lambda place: place.pipe("thing.npz"),
        ("thing.npz",),
    ),
}


class _Items:
    """A dataset whose items are `item(i)`."""

    def __init__(self, item: Callable[[int], Any], size: int = 12) -> None:
        self.item, self.size = item, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> Any:
        if i >= self.size:
            raise IndexError(i)
        return self.item(i)


def _raising(i: int) -> Any:
    raise RuntimeError("the decoder failed")


def _closed(i: int) -> Any:
    image = Image.open(io.BytesIO(image_bytes(i)))
    image.load()
    image.close()
    return image


GOOD_IMAGES = IMAGES[:12]
LABELS = ["ant", "bee"] * 6

OBJECTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "None": (None, ("NoneType",)),
    "a number": (7, ("type int",)),
    "an empty list": ([], ("empty",)),
    "images without labels in a pair": ((GOOD_IMAGES, None), ("no labels",)),
    "fewer labels than images": ((GOOD_IMAGES, LABELS[:5]), ("(5,)", "12 item")),
    "three things": ((GOOD_IMAGES, LABELS, LABELS), ("no regular array",)),
    "labels that are lists": (
        (GOOD_IMAGES, [[label] * 2 for label in LABELS]),
        ("labels", "(12, 2)"),
    ),
    "labels that are None": ((GOOD_IMAGES, [None, *LABELS[1:]]), ("item 0 is None",)),
    "labels that are NaN": ((GOOD_IMAGES, [float("nan")] * 12), ("item 0 is nan",)),
    "labels that are halves": ((GOOD_IMAGES, [i / 2 for i in range(12)]), ("fractions",)),
    "labels of one class": ((GOOD_IMAGES, ["ant"] * 12), ("'ant'",)),
    "images of NaN": ((np.full((12, 8, 8, 3), np.nan), LABELS), ("nan",)),
    "images of two channels": ((np.zeros((12, 8, 8, 2), np.uint8), LABELS), ("channels",)),
    "images of five channels": ((np.zeros((12, 8, 8, 5), np.uint8), LABELS), ("channels",)),
    "images of complex numbers": ((GOOD_IMAGES.astype(complex), LABELS), ("complex128",)),
    "strings that are no paths": ((["x"] * 12, LABELS), ("x: there is no",)),
    "a data set whose items raise": (_Items(_raising), ("the decoder failed",)),
    "a data set of closed images": (_Items(lambda i: (_closed(i), i % 2)), ("closed",)),
    "a data set of devices": (_Items(lambda i: ("/dev/zero", i % 2)), ("a device",)),
    "a data set of labels alone": (_Items(lambda i: i % 2), ("a int",)),
    "a data set of nothing": (_Items(_raising, 0), ("empty",)),
    "a data set with a negative length": (
        _Items(lambda i: (GOOD_IMAGES[i], i % 2), -1),
        ("without a length",),
    ),
    "a table in memory": (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), ("'image'",)),
}
