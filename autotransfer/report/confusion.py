"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.markup import joined, name, number, paragraph, table
from autotransfer.report.material import Material, Predicted

MOST_CLASSES = 25  # with more of them only the confusions are listed
MOST_PAIRS = 10


def confusion_section(material: Material) -> Markup | None:
    """Return the matrix as a table, and the most frequent confusions."""
    tested = material.tested()
    if tested is None:
        return None
    names = material.class_names
    counts = confusion(tested.labels, tested.answers, len(names))
    parts = [who_and_where(tested)]
    if len(names) <= MOST_CLASSES:
        told = "Rows are the true classes, columns the answers, the last one the share found."
        parts += [paragraph(told, "quiet"), _matrix(counts, names)]
    confused = most_confused(counts)
    if confused:
        rows = [(name(names[i]), name(names[j]), n, n / counts[i].sum()) for i, j, n in confused]
        caption = "Most frequent confusions"
        parts.append(table(("class", "taken for", "pictures", "of the class"), rows, caption))
    else:
        parts.append(paragraph("Every image was answered right."))
    return joined(parts)


def who_and_where(tested: Predicted) -> Markup:
    """Return whose answers these are, and to which images."""
    return paragraph(
        f"Answers of {tested.subject} to {len(tested.images)} images ({tested.basis}).", "quiet"
    )


def confusion(
    labels: NDArray[np.int64], answers: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Return (K, K) counts; rows are the classes, columns the answers."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (labels, answers), 1)
    return counts


def most_confused(counts: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return (class, answer, images) of the most frequent mistakes."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    places = [divmod(int(place), len(counts)) for place in order]
    return [(i, j, int(wrong[i, j])) for i, j in places if wrong[i, j]]


def _matrix(counts: NDArray[np.int64], names: tuple[str, ...]) -> Markup:
    head = joined(Markup('<th scope="col">{}</th>').format(name(n)) for n in names)
    rows = joined(
        Markup('<tr><th scope="row">{}</th>{}<td class="number">{}</td></tr>').format(
            name(names[i]),
            joined(_cell(counts[i], j, right=i == j) for j in range(len(names))),
            number(counts[i, i] / counts[i].sum() if counts[i].sum() else None, 2),
        )
        for i in range(len(names))
    )
    return Markup(
        '<div class="scroll" tabindex="0"><table class="matrix">'
        '<thead><tr><td></td>{}<th scope="col">found</th></tr></thead><tbody>{}</tbody></table>'
        "</div>"
    ).format(head, rows)


def _cell(row: NDArray[np.int64], column: int, *, right: bool) -> Markup:
    share = row[column] / row.sum() if row.sum() else 0.0
    kind = "right" if right else "wrong"
    return Markup('<td class="number {}" style="--share:{}%">{}</td>').format(
        kind, round(100 * share), int(row[column])
    )
