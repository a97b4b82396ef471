"""The columns of a table of answers: of `predict`, and of a served selection."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANSWER_COLUMNS = ("class", "probability")
_TAKEN = re.compile(r"(image|class|probability|unknown|abstained|because)( \(class\))*")


def answer_columns(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return "class", "probability" and one column a class.

    A class with the name of a column that any such table has is written "probability (class)",
    for instance, and one that is called so already gets one more: no two columns have one name,
    and the column of a class does not depend on what the other classes are called.
    """
    columns = (f"{name} (class)" if _TAKEN.fullmatch(name) else name for name in class_names)
    return (*ANSWER_COLUMNS, *columns)
