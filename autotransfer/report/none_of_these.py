"""Images of a target without labels that are none of the classes, in groups that look alike."""

from __future__ import annotations

import base64

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from autotransfer.data.csv_cells import csv_text
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.single_thread import single_thread
from autotransfer.report.markup import joined, paragraph
from autotransfer.report.material import Material, Rejected
from autotransfer.report.thumbnails import card, gallery

SHOWN = 20
MOST_GROUPS = 8
_FEWEST = 6  # images that are put into groups
_LOOKED_AT = 1000


def none_of_these_section(material: Material) -> Markup | None:
    """Return the rejected images in groups, and a table to name the groups in."""
    rejected = material.rejected()
    if rejected is None or not len(rejected.images):
        return None
    groups = groups_of(rejected.features)
    numbers, sizes = np.unique(groups, return_counts=True)
    order = numbers[np.argsort(-sizes, kind="stable")]
    shown, parts = _shares(np.sort(sizes)[::-1]), []
    for place, (number, count) in enumerate(zip(order, shown, strict=True), start=1):
        members = np.flatnonzero(groups == number)
        surest = members[np.argsort(-rejected.probability[members], kind="stable")]
        parts.append(paragraph(f"Group {place} of {len(order)}, {len(members)} in all"))
        cards = []
        for i in map(int, surest[:count]):
            sure = f"{100 * rejected.probability[i]:.0f} % sure"
            alt = f"group {place}, {sure}: {rejected.images.names[i]}"
            cards.append(card(rejected.images, i, [sure], alt))
        parts.append(gallery(cards))
    n, kind = len(rejected.images), rejected.images.modality
    told = (
        f"{n} {f'{kind} is' if n == 1 else f'{kind.plural} are'} more probably none of your "
        f"classes than not; {min(SHOWN, n)} are shown, the surest of each group. Name the groups "
        "in the column label of this table: "
    )
    table = _table(rejected, {int(number): i for i, number in enumerate(order, start=1)}, groups)
    after = ". What you can name may become a class of the source data."
    return joined([paragraph(Markup("{}{}{}").format(told, table, after)), *parts])


def groups_of(features: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return (n,) the group of each image, of as many as there seem to be.

    That is the number with the greatest mean silhouette (Rousseeuw, 1987) of k-means on features
    of length one.

    Args:
        features: (n, d).
    """
    rows = unit_rows(np.asarray(features, np.float64))
    x = rows[:_LOOKED_AT]
    best, found = -1.0, np.zeros(len(features), dtype=np.int64)
    if len(x) < _FEWEST:
        return found
    most = min(MOST_GROUPS, len(x) // 3, len(np.unique(x, axis=0)) - 1)
    with single_thread():
        for number in range(2, most + 1):
            fit = KMeans(number, n_init=2, random_state=0).fit(x)
            score = float(silhouette_score(x, fit.labels_))
            if score > best:
                best, found = score, fit.predict(rows).astype(np.int64)
    return found


def _shares(sizes: NDArray[np.int64]) -> list[int]:
    """Return how many of each group are shown: in turn, the largest group first."""
    shown = [0] * len(sizes)
    while sum(shown) < min(SHOWN, int(sizes.sum())):
        for i, size in enumerate(sizes):
            if shown[i] < size and sum(shown) < SHOWN:
                shown[i] += 1
    return shown


def _table(rejected: Rejected, places: dict[int, int], groups: NDArray[np.int64]) -> Markup:
    rows = [
        (name, places[int(group)], f"{probability:.3f}", "")
        for name, group, probability in zip(
            rejected.images.names, groups, rejected.probability, strict=True
        )
    ]
    rows.sort(key=lambda row: row[1])
    text = csv_text([("image", "group", "unknown", "label"), *rows])
    content = base64.b64encode(text.encode(errors="backslashreplace")).decode("ascii")
    return Markup(
        '<a download="none-of-these.csv" href="data:text/csv;base64,{}">none-of-these.csv</a>'
    ).format(content)
