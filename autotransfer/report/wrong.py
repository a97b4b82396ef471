"""The most wrong images: sure of an answer that is not the label."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.confusion import who_and_where
from autotransfer.report.markup import joined, name, paragraph, table
from autotransfer.report.material import Material, Predicted
from autotransfer.report.thumbnails import card, gallery

SHOWN = 12


def wrong_section(material: Material) -> Markup | None:
    """Return the images whose wrong answer was the surest."""
    tested = material.tested()
    if tested is None:
        return None
    worst = most_wrong(tested)
    if not len(worst):
        return paragraph("No tested image was answered wrong.")
    count = int((tested.answers != tested.labels).sum())
    told = f"{count} of {len(tested.images)} images were answered wrong; the surest come first."
    names = material.class_names
    if material.visible:
        shown = gallery([_card(tested, int(i), names) for i in worst])
    else:
        shown = table(("item", "is", "taken for"), [_row(tested, int(i), names) for i in worst])
    return joined([who_and_where(tested), paragraph(told), shown])


def most_wrong(tested: Predicted) -> NDArray[np.int64]:
    """Return positions of wrong answers, the largest probability first."""
    wrong = np.flatnonzero(tested.answers != tested.labels)
    sure = tested.probabilities.max(axis=1)[wrong]
    return wrong[np.argsort(-sure, kind="stable")][:SHOWN]


def _card(tested: Predicted, position: int, names: tuple[str, ...]) -> Markup:
    label, answer = names[tested.labels[position]], names[tested.answers[position]]
    sure = f"{100 * tested.probabilities[position].max():.0f} %"
    lines = [
        Markup("<b>{}</b>").format(name(label)),
        Markup("taken for {} ({})").format(name(answer), sure),
    ]
    alt = f"{label}, taken for {answer} with {sure}: {tested.images.names[position]}"
    return card(tested.images, position, lines, alt)


def _row(tested: Predicted, position: int, names: tuple[str, ...]) -> tuple[Markup, ...]:
    label, answer = names[tested.labels[position]], names[tested.answers[position]]
    return name(tested.images.names[position]), name(label), name(answer)
