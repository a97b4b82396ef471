"""Answers to labelled images: whose they are, and the images with what was said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.markup import name, paragraph, table
from autotransfer.report.material import Material, Predicted
from autotransfer.report.thumbnails import card, gallery

SHOWN = 12


def who_and_where(said: Predicted) -> Markup:
    """Return whose answers these are, and to which images."""
    return paragraph(
        f"Answers of {said.subject} to {len(said.images)} {said.images.modality.plural} "
        f"({said.basis}).",
        "quiet",
    )


def shown_answers(
    material: Material,
    said: Predicted,
    positions: NDArray[np.int64],
    *,
    lines: Sequence[Markup],
    alt: str,
    head: Sequence[str],
) -> Markup:
    """Return images, or a list of items that cannot be shown.

    Args:
        material: Whether items can be shown, and the names of the classes.
        said: The answers.
        positions: Which items.
        lines: What stands below an image. As in `alt`, {label} and {answer} are the names of
            both classes, {sure} and {doubted} the probabilities of the answer and of the label.
        alt: What stands for an image; its own name comes after it.
        head: Titles of the columns of a list: item, label and answer.
    """
    rows, cards = [], []
    for i in map(int, positions[:SHOWN]):
        item, label = said.images.names[i], material.class_names[said.labels[i]]
        answer, shares = material.class_names[said.answers[i]], said.probabilities[i]
        shown = {"sure": f"{100 * shares.max():.0f}\N{NO-BREAK SPACE}%"}
        shown["doubted"] = f"{100 * shares[said.labels[i]]:.0f}\N{NO-BREAK SPACE}%"
        rows.append((name(item), name(label), name(answer))[: len(head)])
        if material.visible:
            below = [
                line.format(label=name(label), answer=name(answer), **shown) for line in lines
            ]
            told = alt.format(label=label, answer=answer, **shown)
            cards.append(card(said.images, i, below, f"{told}: {item}"))
    return gallery(cards) if material.visible else table(head, rows)
