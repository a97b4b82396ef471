"""The page to label on: one file, no network, every key on the keyboard; it saves a table."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autotransfer.data.image_set import ImageSet
from autotransfer.labelling.suggestion import Asked

SIDE = 320  # pixels
_QUALITY = 80


def sheet_of(
    title: str, asked: Sequence[Asked], images: ImageSet, class_names: Sequence[str]
) -> str:
    """Return the page as HTML.

    What was drawn at random is not shown, so that it is labelled like the rest.

    Args:
        title: Of the page; also the name of the table that it saves, and where work in progress is
            kept by the browser.
        asked: The images to label, in their order.
        images: The set that they are from.
        class_names: Known classes; others can be added on the page.
    """
    place = {name: i for i, name in enumerate(images.names)}
    items = [
        {
            "image": one.image,
            "drawn": one.drawn,
            "cluster": one.cluster,
            "content": _content(images, place[one.image]),
        }
        for one in asked
    ]
    template = _templates().get_template("sheet.html.jinja")
    return template.render(title=title, data=_script_json({
        "title": title, "items": items, "classes": list(class_names),
    }))  # fmt: skip


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("autotransfer.labelling"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def _script_json(value: object) -> Markup:
    """Return JSON that no text in it can end the script of."""
    text = (
        json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    )
    return Markup(text)  # noqa: S704 - escaped above


def _content(images: ImageSet, position: int) -> str:
    image = images.read(position, SIDE)
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
