"""Pieces of HTML; everything that comes from outside is escaped on its way in."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

NOTHING = "\N{EN DASH}"  # stands where there is no value
LONGEST = 300  # characters of a text that came from outside
# what XML and HTML have no place for, halves of surrogate pairs among them
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

Cell = str | int | float | None


def clean(value: object, length: int = LONGEST) -> str:
    """Return text without control characters, cut where it is too long; not yet escaped.

    What is markup already stays as it is.
    """
    if isinstance(value, Markup):
        return value
    text = _REFUSED.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return text if len(text) <= length else text[: length - 1] + "…"


def templates_of(package: str, **more: Any) -> Environment:
    """Return the templates of a package, which escape what is put into them."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        **more,
    )


_TEMPLATES = templates_of("autotransfer.report", finalize=clean)
_TEMPLATES.globals["nothing"] = NOTHING


def rendered(template: str, **values: Any) -> Markup:
    """Return a template, every value in it cleaned and escaped."""
    found = _TEMPLATES.get_template(f"{template}.html.jinja").render(values)
    return Markup(found)  # noqa: S704 - escaped in the template


def name(value: object) -> Markup:
    """Return a name that keeps its own writing direction to itself."""
    return Markup("<bdi>{}</bdi>").format(clean(value))


def names(values: Iterable[object]) -> Markup:
    """Return names with commas between them."""
    return Markup(", ").join(map(name, values))


def paragraph(text: object, kind: str = "") -> Markup:
    """Return a paragraph; `kind` is a class of the style sheet."""
    return Markup('<p class="{}">{}</p>').format(kind, clean(text, 5000))


def joined(parts: Iterable[Markup]) -> Markup:
    """Return pieces one after another."""
    return Markup("\n").join(parts)


def bullets(items: Iterable[object]) -> Markup:
    """Return a list; nothing where there is no item."""
    rows = joined(Markup("<li>{}</li>").format(clean(item, 2000)) for item in items)
    return Markup("<ul>{}</ul>").format(rows) if rows else rows


def facts(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return names and what they are, one below the other."""
    return rendered("facts", rows=rows)


def table(
    head: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str = "", *, kind: str = ""
) -> Markup:
    """Return a table that scrolls sideways where it is too wide.

    Args:
        head: Titles of the columns.
        rows: The cells; numbers stand to the right with three digits, None is a dash.
        caption: What the table shows.
        kind: Classes of the style sheet: "wide" for rows of one line, "told" where the last
            column but one is prose.
    """
    return rendered("table", head=head, rows=rows, caption=caption, kind=kind)


def folded(summary: str, body: Markup) -> Markup:
    """Return what opens when its summary is touched."""
    return Markup("<details><summary>{}</summary>{}</details>").format(clean(summary), body)


def encoded(image: Image.Image, kind: str, **how: Any) -> str:
    """Return the content of an image file as base64; `kind` and `how` are as Pillow saves it."""
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def bar(share: float) -> Markup:
    """Return a bar whose length is a share in [0, 1]; the number belongs beside it."""
    return Markup(
        '<span class="bar" aria-hidden="true"><span style="width:{:.1f}%"></span></span>'
    ).format(100 * min(max(share, 0.0), 1.0))
