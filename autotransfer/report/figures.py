"""Plots as SVG inside the page.

Text stays text, so that the reader's own fonts draw it: a class name in any script is shown, and
can be searched for. Ink takes the colour of the page's text, and so fits light and dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autotransfer.report.markup import clean, rendered

WIDTH = 360  # units of the drawing; about the pixels of a phone's screen
INK, FAINT = "#010203", "#040506"  # stand for colours of the page until the drawing is there
# chosen to be told apart on white and on near black, by colour-blind readers too
COLOURS = ("#2f7fd1", "#d9730d", "#2e9e6b", "#b5468a", "#7d6bd9", "#a3842c")
OTHER = "#8a8f98"

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"
_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_FONT = re.compile(r"font:\s*(?:[a-z]+\s+)*([\d.]+)px[^;]*")  # how older ones write both
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "autotransfer",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.parse_math": False,
}


class Bar(NamedTuple):
    """An interval of a chart, with the value inside it."""

    title: str
    low: float
    value: float
    high: float
    colour: str = COLOURS[0]
    marker: str = "o"


def figure(
    plot: Callable[[Axes], None], *, key: str, height: int, alt: str, caption: str = ""
) -> Markup:
    """Return a figure of the page.

    Args:
        plot: Draws on the axes it is given.
        key: Short name, part of every id in the drawing.
        height: In units of which the width has 360.
        alt: What is to be seen, in a sentence, for those who do not see it.
        caption: What stands below.
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # the layout measures with a font that lacks most scripts; the browser draws with its own
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        plot(drawing.add_subplot())
        stream = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.savefig(stream, format="svg", metadata=nothing)
    drawn = _inline(stream.getvalue(), key, clean(alt, 1000))
    return rendered("figure", drawing=drawn, caption=caption)


def label(axes: Axes, x: float, y: float, text: object, **style: Any) -> None:
    """Write text from outside at a place of the axes."""
    axes.text(x, y, clean(text, 60), parse_math=False, **style)


def intervals(axes: Axes, rows: Sequence[Bar], *, lift: float, top: float) -> None:
    """Draw intervals one below the other, each with its name above it.

    Args:
        axes: Where.
        rows: The intervals.
        lift: Of the names, in rows.
        top: Room above the first row, in rows.
    """
    for place, row in enumerate(rows):
        axes.plot([row.low, row.high], [-place, -place], color=row.colour, linewidth=3)
        axes.plot([row.value], [-place], row.marker, color=row.colour, markersize=7)
        across = axes.get_yaxis_transform()
        label(axes, 0.0, lift - place, row.title, transform=across, va="bottom")
    axes.set_yticks([])
    axes.set_ylim(0.6 - len(rows), top)
    axes.spines["left"].set_visible(False)


def _inline(content: bytes, key: str, alt: str) -> Markup:
    """Return the drawing as an element of the page, its ids its own."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(content)  # noqa: S314 - matplotlib wrote it a moment ago
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        for attribute, value in element.attrib.items():
            element.set(attribute, _adapted(attribute, value, key))
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", alt)
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = alt
    root.insert(0, title)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised


def _adapted(attribute: str, value: str, key: str) -> str:
    """Return an attribute with ids of this figure, and with the colours of the page."""
    if attribute == "id":
        return f"{key}-{value}"
    if attribute.endswith("href"):
        return value.replace("#", f"#{key}-", 1)
    value = value.replace("url(#", f"url(#{key}-")
    value = value.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    if attribute == "style":
        return _FAMILY.sub("", _FONT.sub(r"font-size: \1px", value))
    return value
