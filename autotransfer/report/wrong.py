"""The most wrong images: sure of an answer that is not the label."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.answered import SHOWN, shown_answers, who_and_where
from autotransfer.report.markup import joined, paragraph
from autotransfer.report.material import Material, Predicted


def wrong_section(material: Material) -> Markup | None:
    """Return the images whose wrong answer was the surest."""
    tested = material.tested()
    if tested is None:
        return None
    worst = most_wrong(tested)
    if not len(worst):
        return paragraph(f"No tested {tested.images.modality} was answered wrong.")
    count = int((tested.answers != tested.labels).sum())
    kind = tested.images.modality.plural
    told = f"{count} of {len(tested.images)} {kind} were answered wrong; the surest come first."
    shown = shown_answers(
        material, tested, worst,
        lines=(Markup("<b>{label}</b>"), Markup("taken for {answer} ({sure})")),
        alt="{label}, taken for {answer} with {sure}",
        head=("item", "is", "taken for"),
    )  # fmt: skip
    return joined([who_and_where(tested), paragraph(told), shown])


def most_wrong(tested: Predicted) -> NDArray[np.int64]:
    """Return positions of wrong answers, the largest probability first."""
    wrong = np.flatnonzero(tested.answers != tested.labels)
    sure = tested.probabilities.max(axis=1)[wrong]
    return wrong[np.argsort(-sure, kind="stable")][:SHOWN]
