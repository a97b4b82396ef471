"""Images as they were found, before they are checked and divided."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autotransfer.data.image_set import ImageReader
from autotransfer.masking import masked

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, no UTF-8, breaks of lines
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # show text in another order


@dataclass(frozen=True)
class Listing:
    """Images with what is known about each; all sequences are aligned with the reader.

    Args:
        splits: "train", "validation" or "test" of each image.
        classes: Name of the class of each image; None without labels.
        class_names: The K classes in order, with those that turned out to have no image.
        groups: Group of each image; None without groups.
        notes: What was decided or left out, in sentences.
        name: Short name of the place they were found in.
    """

    reader: ImageReader
    splits: Sequence[str]
    classes: Sequence[str] | None = None
    class_names: tuple[str, ...] = ()
    groups: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    name: str = "images"


def bytewise(names: Iterable[str]) -> list[str]:
    """Return names in the order of their bytes, which no locale changes."""
    return sorted(names, key=path_bytes)


def path_bytes(name: str) -> bytes:
    """Return the bytes of a path; those of a name that is no UTF-8 survive."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which no file system gives
        return name.encode("utf-8", "surrogatepass")


def readable(text: str) -> str:
    """Return text for one line: bytes that are no UTF-8 and control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def shortened(value: object, most: int = 120) -> str:
    """Return what a user wrote as a message repeats it: short, without secrets, on one line."""
    text = readable(masked(str(value)))  # first: a piece of a URL is no URL
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def named(names: Iterable[object], most: int = 5) -> str:
    """Return names in quotes with commas between; of many, the first ones."""
    everything = list(names)
    shown = [f"'{shortened(name)}'" for name in everything[:most]]
    more = f" and {len(everything) - most} more" if len(everything) > most else ""
    return ", ".join(shown) + more if shown else "nothing"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE and character not in _TURNING:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
