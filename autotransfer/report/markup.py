"""Pieces of HTML; everything that comes from outside is escaped on its way in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup

NOTHING = "\N{EN DASH}"  # stands where there is no value
LONGEST = 300  # characters of a text that came from outside
# what XML and HTML have no place for, halves of surrogate pairs among them
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

Cell = str | int | float | None


def clean(value: object, length: int = LONGEST) -> str:
    """Return text without control characters, cut where it is too long; not yet escaped."""
    text = _REFUSED.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return text if len(text) <= length else text[: length - 1] + "…"


def name(value: object) -> Markup:
    """Return a name that keeps its own writing direction to itself."""
    return Markup("<bdi>{}</bdi>").format(clean(value))


def paragraph(text: object, kind: str = "") -> Markup:
    """Return a paragraph; `kind` is a class of the style sheet."""
    body = text if isinstance(text, Markup) else clean(text, 5000)
    return Markup('<p class="{}">{}</p>').format(kind, body)


def joined(parts: Iterable[Markup]) -> Markup:
    """Return pieces one after another."""
    return Markup("\n").join(parts)


def bullets(items: Iterable[object]) -> Markup:
    """Return a list; nothing where there is no item."""
    rows = [
        Markup("<li>{}</li>").format(i if isinstance(i, Markup) else clean(i, 2000)) for i in items
    ]
    return Markup("<ul>{}</ul>").format(joined(rows)) if rows else Markup("")


def facts(rows: Sequence[tuple[str, Cell]]) -> Markup:
    """Return names and what they are, one below the other."""
    body = joined(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(clean(title), _cell(cell))
        for title, cell in rows
    )
    return Markup('<table class="facts"><tbody>{}</tbody></table>').format(body)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    caption: str = "",
    *,
    kind: str = "",
) -> Markup:
    """Return a table that scrolls sideways where it is too wide.

    Args:
        head: Titles of the columns.
        rows: The cells; numbers stand to the right with three digits, None is a dash.
        caption: What the table shows.
        kind: Classes of the style sheet: "wide" for rows of one line, "told" where the last
            column but one is prose.
    """
    titles = joined(Markup('<th scope="col">{}</th>').format(clean(title)) for title in head)
    body = joined(
        Markup("<tr>{}</tr>").format(joined(_cell(cell) for cell in row)) for row in rows
    )
    shown = Markup("<caption>{}</caption>").format(clean(caption)) if caption else Markup("")
    return Markup(
        '<div class="scroll" tabindex="0"><table class="{}">{}<thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(kind, shown, titles, body)


def folded(summary: str, body: Markup) -> Markup:
    """Return what opens when its summary is touched."""
    return Markup("<details><summary>{}</summary>{}</details>").format(clean(summary), body)


def bar(share: float) -> Markup:
    """Return a bar whose length is a share in [0, 1]; the number belongs beside it."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}"
    return Markup(
        '<span class="bar" aria-hidden="true"><span style="width:{}%"></span></span>'
    ).format(width)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for people; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def _cell(cell: Cell) -> Markup:
    if isinstance(cell, Markup):
        return Markup("<td>{}</td>").format(cell)
    if cell is None:
        return Markup('<td class="number">{}</td>').format(NOTHING)
    if isinstance(cell, int | float):
        shown = f"{cell:d}" if isinstance(cell, int) else f"{cell:.3f}"
        return Markup('<td class="number">{}</td>').format(shown)
    return Markup("<td>{}</td>").format(clean(cell))
