"""Tables and archives of images that cannot be used."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any

import numpy as np
import pandas as pd

from tests.hostile.folders import Spoil, image_bytes, write_classes
from tests.hostile.place import Place


def written(content: str | bytes, name: str = "thing.csv") -> Spoil:
    def make(place: Place) -> str:
        write_classes(place, "p", ant=8, bee=8)
        place.write(name, content)
        return name

    return make


ROWS = [f"p/{name}/{i}.png,{name}" for name in ("ant", "bee") for i in range(8)]
BODY = "\n".join(ROWS)


def _parquet(**columns: Any) -> Spoil:
    def make(place: Place) -> str:
        write_classes(place, "p", ant=8, bee=8)
        frame = {"image": [row.split(",")[0] for row in ROWS], "label": [r[2:5] for r in ROWS]}
        pd.DataFrame(frame | columns).to_parquet(place.root / "thing.parquet")
        return "thing.parquet"

    return make


TABLES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "an empty table": (written(""), ("thing.csv",)),
    "a table of its head": (written("image,label\n"), ("thing.csv",)),
    "a table without image": (written("a,b\n1,2\n"), ("thing.csv", "'image'")),
    "a table without label": (written("image\np/ant/0.png\n"), ("no labels",)),
    "a table with an empty label": (
        written(f"image,label\n{BODY}\np/ant/0.png,\n"),
        ("'label'", "p/ant/0.png"),
    ),
    "a table with an empty image": (
        written(f"image,label\n{BODY}\n,ant\n"),
        ("'image'", "row 17"),
    ),
    "a table that names what is not there": (
        written(f"image,label\n{BODY}\np/ant/none.png,ant\n"),
        ("none.png",),
    ),
    "a table with a path that goes up": (
        written(f"image,label\n{BODY}\n../../../../etc/hostname,ant\n"),
        ("etc/hostname",),
    ),
    "a table with a folder as image": (written(f"image,label\n{BODY}\np/ant,ant\n"), ("p/ant",)),
    "a table with an URL": (
        written(f"image,label\n{BODY}\nhttp://127.0.0.1:9/a.png,ant\n"),
        ("http://127.0.0.1:9/a.png",),
    ),
    "a table with a field too many": (
        written("image,label\n" + "\n".join(f"{row},train" for row in ROWS) + "\n"),
        ("line 2", "3 field"),
    ),
    "a table with a comma at each end": (
        written("image,label\n" + "\n".join(f"{row}," for row in ROWS) + "\n"),
        ("line 2", "3 field"),
    ),
    "a table with two columns of one name": (
        written("image,label,label\n" + "\n".join(f"{row},x" for row in ROWS) + "\n"),
        ("'label'",),
    ),
    "a table with an unknown split": (
        written("image,label,split\n" + "\n".join(f"{row},holiday" for row in ROWS) + "\n"),
        ("holiday",),
    ),
    "a table with one class": (written("image,label\n" + "\n".join(ROWS[:8]) + "\n"), ("'ant'",)),
    "a table with an open quote": (written(f'image,label\n"{BODY}\n'), ("thing.csv",)),
    "a table of zeros": (written(b"\0" * 999), ("thing.csv",)),
    "a table of noise": (
        written(np.random.default_rng(0).bytes(999)),
        ("thing.csv",),
    ),
    "an Excel file named csv": (written(b"PK\x03\x04" + b"\0" * 99), ("thing.csv",)),
    "a folder named csv": (
        lambda place: place.folder("thing.csv"),
        ("thing.csv",),
    ),
    "a pipe named csv": (
        lambda place: place.pipe("thing.csv"),
        ("thing.csv",),
    ),
    "text named parquet": (written("image,label\n", "thing.parquet"), ("thing.parquet",)),
    "an empty parquet": (written("", "thing.parquet"), ("thing.parquet",)),
    "a parquet of lists": (_parquet(label=[[row[2:5]] for row in ROWS]), ("'label'",)),
    "a parquet of groups of lists": (_parquet(group=[[1, 2]] * 16), ("'group'",)),
    "a parquet of bytes that are no images": (
        _parquet(image=[b"no"] * 16),
        ("row 1: not an image",),
    ),
    "a parquet of structs without bytes": (
        _parquet(image=[{"bytes": None, "path": "x"}] * 16),
        ("'x'",),
    ),
    "a parquet of numbers as images": (_parquet(image=list(range(16))), ("  0: there is no",)),
}


def _zip(*members: tuple[str, bytes], cut: int = 0, name: str = "thing.zip") -> Spoil:
    def make(place: Place) -> str:
        with zipfile.ZipFile(place.root / name, "w") as archive:
            for member, content in members:
                archive.writestr(member, content)
        path = place.root / name
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        return name

    return make


WHOLE = [(f"{name}/{i}.png", image_bytes(i)) for name in ("ant", "bee") for i in range(8)]


def _tar(member: tarfile.TarInfo) -> Spoil:
    def make(place: Place) -> str:
        with tarfile.open(place.root / "thing.tar", "w") as archive:
            for name, content in WHOLE:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            archive.addfile(member)
        return "thing.tar"

    return make


def _special(kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("ant/x.png")
    info.type, info.linkname = kind, link
    return info


def _locked(place: Place) -> str:
    """A zip whose members say that they are encrypted."""
    _zip(*WHOLE)(place)
    content = (place.root / "thing.zip").read_bytes()
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content = content[: at + offset] + b"\x01" + content[at + offset + 1 :]
            at = content.find(mark, at + 1)
    place.write("thing.zip", content)
    return "thing.zip"


ARCHIVES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "a zip of nothing": (_zip(), ("thing.zip",)),
    "a zip of text": (_zip(("a.txt", b"x")), ("thing.zip",)),
    "a zip cut short": (_zip(*WHOLE, cut=200), ("thing.zip",)),
    "text named zip": (written("no zip", "thing.zip"), ("thing.zip",)),
    "text named tar.gz": (written("no tar", "thing.tar.gz"), ("thing.tar.gz",)),
    "a zip that is locked": (_locked, ("thing.zip",)),
    "a zip with a member that is no image": (_zip(*WHOLE, ("ant/x.png", b"no")), ("ant/x.png",)),
    "a zip of a zip": (_zip(("inner.zip", b"PK\x05\x06" + b"\0" * 18)), ("thing.zip",)),
    "a zip of one class": (_zip(*WHOLE[:8]), ("'ant'",)),
    "a tar with a device": (_tar(_special(tarfile.CHRTYPE)), ("ant/x.png",)),
    "a tar with a pipe": (_tar(_special(tarfile.FIFOTYPE)), ("ant/x.png",)),
    "a tar with a link that goes up": (
        _tar(_special(tarfile.SYMTYPE, "../../../../etc/hostname")),
        ("ant/x.png",),
    ),
}
