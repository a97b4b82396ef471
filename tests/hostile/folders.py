"""Folders of images that cannot be used."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.hostile.place import Place

Spoil = Callable[[Place], str]


def image_bytes(seed: int = 0, size: tuple[int, int] = (16, 16)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def write_classes(place: Place, root: str = "thing", /, **counts: int) -> Path:
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            place.write(f"{root}/{name}/{i}.png", image_bytes(100 * label + i))
    return place.root / root


def _folder(spoil: Callable[[Place, Path], Any]) -> Spoil:
    """A folder of two classes, eight images each, after `spoil`."""

    def make(place: Place) -> str:
        spoil(place, write_classes(place, ant=8, bee=8))
        return "thing"

    return make


def _only(**counts: int) -> Spoil:
    def make(place: Place) -> str:
        write_classes(place, **counts)
        return "thing"

    return make


def _made(place: Place, content: Callable[[Path], Any]) -> str:
    (place.root / "thing").mkdir()
    content(place.root / "thing")
    return "thing"


def _empty_classes(folder: Path) -> None:
    for name in ("ant", "bee"):
        (folder / name).mkdir()


def _without_bees(_: Place, folder: Path) -> None:
    for path in (folder / "bee").iterdir():
        path.unlink()


def _socket(path: Path) -> str:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path.relative_to(Path.cwd())))
    return path.name


def _three_bad(_: Place, folder: Path) -> None:
    (folder / "ant" / "text.png").write_text("no")
    (folder / "ant" / "cut.png").write_bytes(image_bytes(1)[:300])
    (folder / "bee" / "dot.png").write_bytes(image_bytes(1, (1, 1)))


FOLDERS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "nowhere": (lambda place: "nowhere", ("nowhere",)),
    "an empty name": (lambda place: "", ("path is empty",)),
    "an empty folder": (lambda place: _made(place, lambda t: None), ("thing",)),
    "a folder of empty folders": (
        lambda place: _made(place, _empty_classes),
        ("thing",),
    ),
    "a folder of text": (
        lambda place: _made(place, lambda t: (t / "a.txt").write_text("x")),
        ("thing",),
    ),
    "one class": (_only(ant=5), ("'ant'",)),
    "a class with one image": (_only(ant=5, bee=1), ("'bee' has 1",)),
    "a class with no image": (
        _folder(_without_bees),
        ("'bee' has 0",),
    ),
    "text named png": (
        _folder(lambda _, t: (t / "ant" / "x.png").write_text("no")),
        ("ant/x.png",),
    ),
    "an empty file named png": (
        _folder(lambda _, t: (t / "ant" / "x.png").write_bytes(b"")),
        ("ant/x.png",),
    ),
    "half an image": (
        _folder(lambda _, t: (t / "ant" / "x.png").write_bytes(image_bytes(1)[:300])),
        ("ant/x.png",),
    ),
    "an image of one pixel": (
        _folder(lambda _, t: (t / "ant" / "x.png").write_bytes(image_bytes(1, (1, 1)))),
        ("ant/x.png",),
    ),
    "several bad images": (_folder(_three_bad), ("text.png", "cut.png", "dot.png", "3 image")),
    "an EPS named jpg": (
        _folder(
            lambda _, t: (t / "ant" / "x.jpg").write_bytes(
                b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n"
            )
        ),
        ("ant/x.jpg",),
    ),
    "a pipe among images": (
        _folder(lambda _, t: os.mkfifo(t / "ant" / "x.png")),
        ("ant/x.png",),
    ),
    "a socket among images": (_folder(lambda _, t: _socket(t / "ant" / "x.png")), ("ant/x.png",)),
    "a link to a device": (
        _folder(lambda _, t: (t / "ant" / "x.png").symlink_to("/dev/zero")),
        ("ant/x.png",),
    ),
    "a broken link": (
        _folder(lambda _, t: (t / "ant" / "x.png").symlink_to("nowhere")),
        ("ant/x.png",),
    ),
    "a link to itself": (
        _folder(lambda _, t: (t / "ant" / "x.png").symlink_to("x.png")),
        ("ant/x.png",),
    ),
    "an image deeper than the others": (
        _folder(lambda place, t: place.write("thing/bee/old/x.png", image_bytes(3))),
        ("bee/old/x.png",),
    ),
    "images beside class folders": (
        _folder(lambda place, t: place.write("thing/x.png", image_bytes(3))),
        ("x.png",),
    ),
    "a class name that is not UTF-8": (
        _folder(lambda _, t: (t / "ant").rename(t / os.fsdecode(b"fourmi \xe9"))),
        ("UTF-8", "fourmi"),
    ),
    "a class name with a line break": (
        _folder(lambda _, t: (t / "ant").rename(t / "line\nbreak")),
        ("control characters",),
    ),
    "images without classes": (lambda place: str(place.have("plain").name), ("no labels",)),
    "test without train": (
        lambda place: (write_classes(place, "thing/test", ant=8, bee=8), "thing")[1],
        ("only test",),
    ),
    "a class that test alone has": (
        lambda place: (
            write_classes(place, "thing/train", ant=8, bee=8),
            write_classes(place, "thing/test", ant=4, wasp=4),
            "thing",
        )[2],
        ("'wasp'",),
    ),
    "a device": (lambda place: "/dev/null", ("/dev/null",)),
    "a pipe": (lambda place: place.pipe("thing"), ("thing",)),
    "a socket": (lambda place: _socket(place.root / "thing"), ("thing",)),
    "one image": (
        lambda place: (place.write("thing.png", image_bytes()), "thing.png")[1],
        ("no labels",),
    ),
    "a PDF": (lambda place: (place.write("thing.pdf", "%PDF"), "thing.pdf")[1], ("thing.pdf",)),
    "an URL of nobody": (lambda place: "nosuch://host/t", ("nosuch",)),
    "an URL that does not answer": (
        lambda place: "http://127.0.0.1:9/t.zip",
        ("127.0.0.1:9",),
    ),
}
