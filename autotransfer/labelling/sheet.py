"""The page to label on: one file, no network, every key on the keyboard; it saves a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from markupsafe import Markup

from autotransfer.data.image_set import ImageSet
from autotransfer.labelling.suggestion import Asked
from autotransfer.report.markup import encoded, templates_of

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
    template = templates_of("autotransfer.labelling").get_template("sheet.html.jinja")
    return template.render(title=title, data=_script_json({
        "title": title, "items": items, "classes": list(class_names),
    }))  # fmt: skip


def _script_json(value: object) -> Markup:
    """Return JSON that no text in it can end the script of."""
    text = json.dumps(value)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _content(images: ImageSet, position: int) -> str:
    image = images.read(position, SIDE)
    image.thumbnail((SIDE, SIDE))
    return "data:image/jpeg;base64," + encoded(image.convert("RGB"), "JPEG", quality=_QUALITY)
