"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from autotransfer.report.answered import who_and_where
from autotransfer.report.markup import joined, name, paragraph, rendered, table
from autotransfer.report.material import Material

MOST_CLASSES = 25  # with more of them only the confusions are listed
MOST_PAIRS = 10


def confusion_section(material: Material) -> Markup | None:
    """Return the matrix as a table, and the most frequent confusions."""
    tested = material.tested()
    if tested is None:
        return None
    names = [name(title) for title in material.class_names]
    counts = confusion_matrix(tested.labels, tested.answers, labels=range(len(names)))
    parts = [who_and_where(tested)]
    if len(names) <= MOST_CLASSES:
        told = "Rows are the true classes, columns the answers, the last one the share found."
        parts += [
            paragraph(told, "quiet"),
            rendered("matrix", counts=counts.tolist(), names=names),
        ]
    confused = most_confused(counts)
    if confused:
        rows = [(names[i], names[j], n, n / counts[i].sum()) for i, j, n in confused]
        caption = "Most frequent confusions"
        parts.append(table(("class", "taken for", "images", "of the class"), rows, caption))
    else:
        parts.append(paragraph("Every image was answered right."))
    return joined(parts)


def most_confused(counts: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return (class, answer, images) of the most frequent mistakes."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    places = [divmod(int(place), len(counts)) for place in order]
    return [(i, j, int(wrong[i, j])) for i, j in places if wrong[i, j]]
