"""Small images, sounds and whole texts inside the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.item_kinds import offered_kind
from autotransfer.data.modality import Modality
from autotransfer.report.markup import clean, encoded, joined, name
from autotransfer.report.sounds import player

SIDE = 112  # pixels, for 6 KB an image
SMALLEST = 64  # smaller images are enlarged in whole steps: digits of 28 pixels stay sharp
MOST_CHARACTERS = 5000  # of a text; the page shows twelve of them
_QUALITY = 75


def thumbnail(images: ImageSet, position: int, alt: str) -> Markup:
    """Return an image as an element with its content inside, and a text that stands for it."""
    image = images.read(position, SIDE)
    image.thumbnail((SIDE, SIDE))
    if max(image.size) < SMALLEST:
        times = SIDE // max(image.size)
        size = (image.width * times, image.height * times)
        image = image.resize(size, Image.Resampling.NEAREST)
    content = encoded(image.convert("RGB"), "JPEG", quality=_QUALITY)
    return Markup('<img src="data:image/jpeg;base64,{}" width="{}" height="{}" alt="{}">').format(
        content, image.width, image.height, clean(alt)
    )


def card(images: ImageSet, position: int, lines: Sequence[str | Markup], alt: str) -> Markup:
    """Return an image, a sound, or a text in full, with its name and some lines below."""
    below = joined(Markup("<div>{}</div>").format(line) for line in lines)
    text = _text_of(images, position)
    if text is not None:
        return Markup(
            '<figure class="card text"><blockquote>{}</blockquote><figcaption>{}'
            '<div class="file">{}</div></figcaption></figure>'
        ).format(clean(text, MOST_CHARACTERS), below, name(images.names[position]))
    shown = player if images.modality is Modality.SOUND else thumbnail
    return Markup(
        '<figure class="card">{}<figcaption>{}<div class="file">{}</div></figcaption></figure>'
    ).format(shown(images, position, alt), below, name(images.names[position]))


def _text_of(items: ImageSet, position: int) -> str | None:
    """Return the text that stands for an item; None where an image or a player does."""
    if items.modality is Modality.TEXT:
        return str(items.read(position))
    kind = offered_kind(items.modality)
    if kind is None:
        return None
    return "" if kind.show is None else kind.show(items.read(position))


def gallery(cards: Iterable[Markup]) -> Markup:
    """Return cards side by side."""
    return Markup('<div class="gallery">{}</div>').format(joined(cards))
