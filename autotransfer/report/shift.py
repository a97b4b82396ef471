"""What differs between two sets of images, and which kind of shift that looks like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from markupsafe import Markup

from autotransfer.data.image_set import ImageSet
from autotransfer.report.differing import (
    FEWEST,
    SIGNIFICANT,
    Difference,
    differences,
    share_difference,
    telling_apart,
)
from autotransfer.report.looks import looks_of
from autotransfer.report.markup import Cell, joined, name, paragraph, table
from autotransfer.report.material import Embed, Material
from autotransfer.results import Record
from autotransfer.transferability.distances import domain_distance

MOST_IMAGES = 200  # of each set
MOST_FEATURES = 150  # images of each set that the classifier sees
APART = 0.6  # share that a classifier tells apart from which the sets differ in more than detail
UNKNOWN = (
    "What this cannot know: a difference in the {several} may not matter for the answer, and "
    "where classes mean something else in the second set (concept shift) no {one} shows it; only "
    "labels of both sets do."
)


def shift_section(material: Material) -> Markup | None:
    """Return the differences between the images of the fit and each other set."""
    sets = {t: images for t, images in material.images.items() if len(images) >= FEWEST}
    if len(sets) < 2:
        return None
    (first, images), *others = sets.items()
    small, kind = images.sample(MOST_IMAGES), images.modality
    looks = looks_of(small)
    parts = []
    for title, other in others:
        found = differences(looks, looks_of(other.sample(MOST_IMAGES)))
        classes = _classes(images, other)
        told = _told_apart(small, other.sample(MOST_FEATURES), material.features)
        dropped = _drop(material.record, title)
        sentence = kind_of_shift(found, classes, told, dropped=dropped, items=kind.plural)
        shown = [*([] if classes is None else [classes]), *found]
        heading = Markup("<h3>{} and {}</h3>").format(name(first), name(title))
        parts += [heading, paragraph(sentence), _told_text(told), _table(shown, first, title)]
    return joined([*parts, paragraph(UNKNOWN.format(one=kind, several=kind.plural), "quiet")])


def kind_of_shift(
    found: Sequence[Difference],
    classes: Difference | None,
    told: tuple[float, float] | None,
    *,
    dropped: bool,
    items: str = "images",
) -> str:
    """Return which kind of shift the findings look like, in sentences.

    Args:
        found: Differences of what images look like.
        classes: Difference of the class shares; None where a set has no labels.
        told: How often a classifier tells the sets apart, and its p-value; None where not tried.
        dropped: Whether the score of the second set lies clearly below that of the first.
        items: The word for several items.
    """
    clear = [difference.name for difference in found if difference.clear]
    apart = told is not None and told[0] >= APART and told[1] < SIGNIFICANT
    said = []
    if clear or apart:
        named = f" in {', '.join(clear)}" if clear else ", though in none of the numbers below"
        said.append(f"This looks like input shift: the {items} differ{named}.")
    if classes is not None and classes.clear:
        said.append(
            f"This looks like label shift: the class shares differ by {100 * classes.size:.0f} % "
            "in total."
        )
    if dropped:
        reason = "which the differences may explain" if said else "and nothing below explains it"
        said.append(
            f"The score falls clearly, {reason}; what remains is concept shift, or a choice that "
            "was lucky in validation."
        )
    if not said:
        said.append(f"No shift was found: the sets look like two draws from the same {items}.")
    if classes is None:
        said.append("One set has no labels, so label shift cannot be seen.")
    return " ".join(said)


def _classes(first: ImageSet, second: ImageSet) -> Difference | None:
    if not (first.labelled and second.labelled and first.class_names == second.class_names):
        return None
    told = [[images.class_names[k] for k in images.labels] for images in (first, second)]
    return share_difference("classes", *told)


def _told_apart(
    first: ImageSet, second: ImageSet, features: Embed | None
) -> tuple[float, float] | None:
    if features is None:
        return None
    n = min(len(first), len(second), MOST_FEATURES)
    rng = np.random.default_rng(n)
    left, right = (
        np.asarray(features(images.subset(np.sort(rng.permutation(len(images))[:n]))))
        for images in (first, second)
    )
    distance = domain_distance(left, right, ["proxy-a-distance"])["proxy-a-distance"]
    return telling_apart(distance, n)


def _told_text(told: tuple[float, float] | None) -> Markup:
    if told is None:
        return Markup("")
    accuracy, p_value = told
    return paragraph(
        f"A linear classifier on the features of the chosen source tells the sets apart in "
        f"{100 * accuracy:.0f} % of the cases (50 % is chance, p = {p_value:.2g})."
    )


def _drop(record: Record, title: str) -> bool:
    """Return whether the validation score lies above the interval of the held-out test."""
    test, value = record.verdict.test, record.finalist.value
    if test is None or value is None or record.verdict.basis != title:
        return False
    return bool(value > test.high)


def _table(found: Sequence[Difference], first: str, second: str) -> Markup:
    rows: list[tuple[Cell, ...]] = [
        (d.name, _shown(d.name, d.first), _shown(d.name, d.second), f"{d.size:+.2f}", d.word,
         f"{d.p_value:.2g}")
        for d in found
    ]  # fmt: skip
    head = ("", first, second, "size", "difference", "p")
    told = "Medians of both sets; size is Cliff's delta, for shares their total variation."
    return joined([paragraph(told, "quiet"), table(head, rows, kind="wide")])


def _shown(what: str, value: float | str) -> str | Markup:
    if isinstance(value, str):
        return name(value)
    return date.fromordinal(int(value)).isoformat() if what == "day" else f"{value:.3g}"
