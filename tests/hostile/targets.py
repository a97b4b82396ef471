"""Commands on targets that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autotransfer
from tests.hostile.arrays import ARRAYS, OBJECTS
from tests.hostile.folders import FOLDERS, Spoil
from tests.hostile.place import Case, Place
from tests.hostile.tables import ARCHIVES, TABLES


def _fit(spoil: Spoil) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        target = spoil(place)
        return place.fit(target=target)

    return make


def _rank(spoil: Spoil) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        place.have("sources")
        return ["rank", spoil(place), "--sources", "sources/catalogue.toml"]

    return make


def _predict(spoil: Spoil) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        place.have("model")
        return ["predict", "model", spoil(place)]

    return make


# What is wrong with images, not with labels, is wrong for `predict` as well.
UNREADABLE = (
    "nowhere",
    "an empty folder",
    "a folder of text",
    "text named png",
    "half an image",
    "an EPS named jpg",
    "a pipe among images",
    "a link to a device",
    "a broken link",
    "a device",
    "a pipe",
    "a PDF",
    "an URL of nobody",
    "an empty table",
    "a table of its head",
    "a table without image",
    "a table that names what is not there",
    "a table with an URL",
    "a table of noise",
    "a folder named csv",
    "text named parquet",
    "a parquet of bytes that are no images",
    "a zip of nothing",
    "a zip cut short",
    "text named zip",
    "a zip that is locked",
    "a tar with a device",
    "an npz without images",
    "an npz of flat images",
    "an npz of images with five channels",
    "an npz of NaN",
    "text named npz",
)

ALL = FOLDERS | TABLES | ARCHIVES | ARRAYS


def _object(value: Any) -> Callable[[Place], Callable[[], Any]]:
    def make(place: Place) -> Callable[[], Any]:
        sources = str(place.have("sources") / "catalogue.toml")
        return lambda: autotransfer.fit(value, sources=sources, budget="1 trials", max_sources=1)

    return make


CASES = [
    *(
        Case(f"fit: {n}", _fit(spoil), (*words,) or ("target",))
        for n, (spoil, words) in ALL.items()
    ),
    *(Case(f"rank: {n}", _rank(ALL[n][0]), ALL[n][1]) for n in UNREADABLE),
    *(Case(f"predict: {n}", _predict(ALL[n][0]), ALL[n][1]) for n in UNREADABLE),
    *(
        Case(f"python: {n}", _object(value), words or ("target",))
        for n, (value, words) in OBJECTS.items()
    ),
]
