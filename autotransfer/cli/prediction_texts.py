"""What `predict` prints: a row an item, and what is none of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.cli.options import say
from autotransfer.cli.zero_shot_texts import reasons_text
from autotransfer.data.csv_cells import csv_text
from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import plural_of
from autotransfer.models.open_set import NONE_OF_THESE as NONE
from autotransfer.models.unknown_share import FEWEST, Unknown
from autotransfer.results import Record
from autotransfer.selection.selection import Selection
from autotransfer.tracking.columns import answer_columns


def abstaining(
    selection: Selection, given: Any, rows: list[dict[str, Any]], items: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows with what is none of the classes, and the keys of the output that say so."""
    unknown, out = selection.judged_unknown(given)
    probabilities = unknown.probability.tolist()
    rows = [
        {**row, "class": NONE if far else row["class"], "unknown": p, "abstained": bool(far)}
        for row, p, far in zip(rows, probabilities, out, strict=True)
    ]
    if selection.kept.open_set is None:
        say(unknown_sentence(unknown, items))
        return rows, {"unknown": {"low": unknown.least, "n": len(rows)}}
    rejected = int(out.sum())
    say(rejected_sentence(unknown, rejected, selection.record))
    share = sum(probabilities) / len(rows) if rows else 0.0
    return rows, {"unknown": {"share": share, "rejected": rejected, "n": len(rows)}}


def unknown_sentence(unknown: Unknown, items: str = "images") -> str:
    """Return what is known of the items that are none of the classes.

    Args:
        unknown: What was found.
        items: The word for several of them.
    """
    n = len(unknown.probability)
    if n < FEWEST:
        return (
            f"{n} {items} are too few to judge together; from {FEWEST} on it is told how many are "
            "none of the classes"
        )
    if not unknown.least:
        return f"none of the {n} {items} is known to be none of the classes"
    return (
        f"at least {100 * unknown.least:.0f} % of the {n} {items} seem to be none of the classes "
        "(lower 95 % limit; how many more there are cannot be known)"
    )


def rejected_sentence(unknown: Unknown, rejected: int, record: Record) -> str:
    """Return what was rejected by what a fit without target labels has found."""
    found = record.open_world
    kind, of_fit = plural_of(record.modality), ""
    if found is not None and found.unknown is not None:
        of_fit = f"; of the fit: {found.unknown.told_of(record.modality, kind)}"
    return (
        f"{rejected} of the {len(unknown.probability)} {kind} are more probably none of the "
        f"classes than not{of_fit}"
    )


def prediction_rows(
    items: ImageSet, classes: Sequence[str], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return what `predict --json` says of each item."""
    also = ("item", "image") if items.modality == "image" else ("item",)
    return [
        {
            **dict.fromkeys(also, name),
            "class": classes[int(row.argmax())],
            "probability": float(row.max()),
            "probabilities": dict(zip(classes, map(float, row), strict=True)),
        }
        for name, row in zip(items.names, probabilities, strict=True)
    ]


def prediction_table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    """Return the rows as CSV."""
    explained = bool(rows) and "because" in rows[0]
    abstaining = bool(rows) and "abstained" in rows[0]
    further = ["unknown", "abstained"] * abstaining + ["because"] * explained
    named = "image" if rows and "image" in rows[0] else "item"
    cells = [[named, *answer_columns(classes), *further]]
    for item in rows:
        shares = [f"{share:.6f}" for share in item["probabilities"].values()]
        because = [reasons_text(item["because"])] if explained else []
        probability = f"{item['probability']:.6f}"
        rejected = [f"{item['unknown']:.6f}", str(item["abstained"]).lower()] if abstaining else []
        cells.append([item["item"], item["class"], probability, *shares, *rejected, *because])
    return csv_text(cells)
