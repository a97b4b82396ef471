"""The columns of the table that a served selection answers with."""

from __future__ import annotations

from collections.abc import Sequence

ANSWER_COLUMNS = ("class", "probability")


def answer_columns(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return "class", "probability" and one column a class.

    A class with the name of another column is written "probability (class)", for instance, so
    that the table can go to JSON.
    """
    columns = list(ANSWER_COLUMNS)
    for name in class_names:
        column = name
        while column in columns:
            column += " (class)"
        columns.append(column)
    return tuple(columns)
