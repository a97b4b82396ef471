"""The bytes of a text file as text."""

from __future__ import annotations

import codecs

EXTENSIONS = (".txt",)
LONGEST = 10_000_000  # characters of one text; what is longer is a book or a mistake
_MARKS = (  # the longer ones first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(content: bytes, advice: str = "save it in UTF-8") -> str:
    """Return the text of a file: in the encoding of its byte order mark, else in UTF-8.

    Args:
        content: The bytes of the file.
        advice: What to do where it is in another encoding.

    Raises:
        ValueError: If it is in another encoding.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is no {encoding.upper()}; {advice}") from None


def reason_against(text: str) -> str:
    """Return why a text cannot be used; empty where it can."""
    if not text.strip():
        return "empty"
    if "\0" in text:
        return "has NUL characters, so it is no text"
    if len(text) > LONGEST:
        return f"has {len(text):,} characters; {LONGEST:,} is the limit"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start + 1} is half a character (a lone surrogate)"
    return ""
