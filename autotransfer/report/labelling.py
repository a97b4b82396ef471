"""Which images to label next: those whose answer is the least sure."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.markup import joined, name, paragraph
from autotransfer.report.material import Material
from autotransfer.report.thumbnails import card, gallery

SHOWN = 12
MOST_IMAGES = 500  # that are looked at


def labelling_section(material: Material) -> Markup | None:
    """Return the images without labels that would teach the most."""
    images, predict = material.images.get(material.unlabelled), material.predict
    if images is None or predict is None or not len(images):
        return None
    images = images.sample(MOST_IMAGES)
    probabilities = predict(images)
    margins = margins_of(probabilities)
    order = np.argsort(margins, kind="stable")[:SHOWN]
    names = material.class_names
    cards = []
    for i in order:
        second, first = (names[k] for k in np.argsort(probabilities[i], kind="stable")[-2:])
        either = Markup("{} or {}").format(name(first), name(second))
        alt = f"{first} or {second}: {images.names[i]}"
        cards.append(card(images, int(i), [either, f"margin {margins[i]:.2f}"], alt))
    told = (
        f"Of {len(images)} {images.modality.plural} without labels, these have the smallest "
        "margin between the two most probable classes; their labels would say the most."
    )
    return joined([paragraph(told), gallery(cards)])


def margins_of(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the largest less the second largest probability of (n, K).

    References:
        Scheffer, Decomain and Wrobel, Active Hidden Markov Models for Information Extraction,
        IDA 2001.
    """
    ordered = np.sort(probabilities, axis=1)
    margins: NDArray[np.float64] = ordered[:, -1] - ordered[:, -2]
    return margins
