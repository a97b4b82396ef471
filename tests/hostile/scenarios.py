"""Targets without labels and targets described by attributes, with something missing or wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.hostile.place import TRIALS, Case, Place

SEEN = ("ant", "bee", "cat", "dog")


def _described(
    table: str | bytes | None, seen: tuple[str, ...] = SEEN
) -> Callable[[Place], list[str]]:
    """Four classes of images, and a table of attributes."""

    def make(place: Place) -> list[str]:
        place.have("sources")
        pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        for name in seen:
            for i in range(4):
                folder = place.root / "animals" / name
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.roll(pixels, 3 * i + 50 * seen.index(name))).save(
                    folder / f"{i}.png"
                )
        if table is not None:
            place.write("a.csv", table)
        sources = ("--sources", "sources/catalogue.toml")
        return ["fit", "animals", "--attributes", "a.csv", *sources, *TRIALS]

    return make


def _rows(head: str = "class,legs,wings", **change: str) -> str:
    rows = {
        "ant": "6,0",
        "bee": "6,2",
        "cat": "4,0",
        "dog": "4,1",
        "emu": "2,2",
        "fox": "4,3",
    } | change
    return "\n".join([head, *(f"{name},{row}" for name, row in rows.items() if row != "gone"), ""])


ATTRIBUTES: dict[str, tuple[str | bytes | None, tuple[str, ...]]] = {
    "is missing": (None, ("a.csv",)),
    "is empty": ("", ("a.csv",)),
    "is its head": ("class,legs,wings\n", ("a.csv",)),
    "is not UTF-8": (b"class,legs\nant,\xff\n", ("a.csv",)),
    "is zeros": (b"\0" * 99, ("a.csv",)),
    "has no column of classes": (_rows("name,legs,wings"), ("'class'", "'name'")),
    "has one attribute": ("class,legs\nant,6\nbee,6\ncat,4\ndog,4\nemu,2\n", ("1 attribute",)),
    "has text": (_rows(bee="six,2"), ("six",)),
    "has infinity": (_rows(bee="inf,2"), ("infinite",)),
    "lacks a class that has images": (_rows(bee="gone"), ("'bee'",)),
    "has images of every class": (_rows(emu="gone", fox="gone"), ("every class",)),
    "has a row too short": (_rows(bee="6"), ("line 3",)),
    "has a row too long": (_rows(bee="6,2,9"), ("line 3",)),
    "has a class twice": (_rows() + "ant,6,1\n", ("'ant'",)),
    "has an attribute twice": (_rows("class,legs,legs"), ("'legs'",)),
    "has two classes alike": (_rows(emu="2,2", fox="2,2"), ("emu = fox",)),
    "knows nothing of a class": (_rows(emu="-1,-1"), ("'emu'",)),
    "is the same for all": (
        _rows(**dict.fromkeys(SEEN, "1,1")),
        ("every attribute is the same",),
    ),
}


def _unlabelled(
    *more: str, target: str = "plain", source: str = "others"
) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        place.have("sources")
        for name in (target, source, *more):
            if name and (place.good / name).exists():
                place.have(name)
        return [
            "fit",
            target,
            "--source-data",
            source,
            "--sources",
            "sources/catalogue.toml",
            *TRIALS,
            *more,
        ]

    return make


UNLABELLED: dict[str, tuple[Callable[[Place], list[str]], tuple[str, ...]]] = {
    "source data are not there": (_unlabelled(source="nowhere"), ("nowhere",)),
    "source data have no labels": (_unlabelled(source="plain"), ("plain: source images",)),
    "target is not there": (_unlabelled(target="nowhere"), ("nowhere",)),
    "target is the source data": (_unlabelled(target="plain", source="bars"), ("--source-data",)),
    "an executor of nobody": (_unlabelled("--executor", "nosuch"), ("nosuch",)),
    "a metric of nobody": (_unlabelled("--metric", "luck"), ("metric named 'luck'",)),
    "an experiment without a name": (_unlabelled("--experiment", ""), ("experiment ''",)),
    "class weights": (_unlabelled("--class-weights"), ("class-weights",)),
    "attributes as well": (
        _unlabelled("--attributes", "sources/catalogue.toml"),
        ("source_data", "attributes"),
    ),
    "through nothing": (_unlabelled("--through", "nowhere"), ("nowhere",)),
    "a strategy that needs labels": (_unlabelled("--strategy", "fine-tune"), ("fine-tune",)),
    "a negative number to label": (
        _unlabelled("--audit-labels", "-3"),
        ("audit_labels", "got -3"),
    ),
    "a table to label of nothing": (_unlabelled("--audit-labels", "none.csv"), ("none.csv",)),
    "workers of nothing": (_unlabelled("--workers", "0"), ("workers", "got 0")),
    "a scenario that it is not": (_unlabelled("--scenario", "zero-shot"), ("zero-shot",)),
}
CASES = [
    *(
        Case(f"an attribute table {name}", _described(table), words)
        for name, (table, words) in ATTRIBUTES.items()
    ),
    Case("two classes with images", _described(_rows(), SEEN[:2]), ("2 class",)),
    *(Case(f"without labels: {name}", make, words) for name, (make, words) in UNLABELLED.items()),
]
