"""How often each item has been used to test a model: every look spends some of its worth.

Whoever tests ten models on the same items and keeps the one that passes has chosen it on
them. So the workspace remembers, for each tested item, every *different* set of answers that
was compared on it. The first look has the error 2.5 % on each side, the k-th one 2.5 % / k^2:
however often one looks, the chance that any look claims falsely that transfer helps stays below
2.5 % pi^2 / 6 = 4.1 %, and so does the chance that any claims falsely that it hurts: the bound
holds on each side. It is about each claim by itself. Whoever takes the majority of many looks, or
counts how many were positive, draws a conclusion that it does not cover. The same answers again
are no new look.
"""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import DataWarning
from autotransfer.guard.bootstrap import LEVEL

_TABLE = (
    "CREATE TABLE IF NOT EXISTS looks "
    "(item TEXT, answers TEXT, fit TEXT, PRIMARY KEY (item, answers)) WITHOUT ROWID"
)


def look(file: Path, digests: Sequence[str], answers: NDArray[np.int64], fit: str) -> int:
    """Record a look and return its number, 1 for the first: the mean over the items, rounded.

    Args:
        file: The SQLite file of the workspace.
        digests: (m,) content hashes of the tested items.
        answers: (m,) the finalist's classes.
        fit: Name of the fit, for whoever reads the ledger.
    """
    order = np.argsort(digests, kind="stable")
    said = "|".join(f"{digests[i]}{answers[i]}" for i in order)
    token = hashlib.sha256(said.encode()).hexdigest()[:24]
    items = sorted({digest[:24] for digest in digests})
    try:
        with closing(sqlite3.connect(file, timeout=30.0)) as connection, connection:
            connection.execute(_TABLE)
            connection.executemany(
                "INSERT OR IGNORE INTO looks VALUES (?, ?, ?)",
                [(item, token, fit) for item in items],
            )
            return _number(connection, items)
    except sqlite3.Error as error:
        warnings.warn(
            f"the ledger of tested items, {file}, could not be written ({error}); this test "
            "counts as the first",
            DataWarning,
            stacklevel=2,
        )
        return 1


def level_of(number: int) -> float:
    """Return the error on each side that the look of that number may have."""
    return LEVEL / number**2


def _number(connection: sqlite3.Connection, items: Sequence[str]) -> int:
    """Return the mean number of looks at the items, rounded up from a half."""
    total = 0
    for start in range(0, len(items), 500):
        some = items[start : start + 500]
        marks = ",".join("?" * len(some))
        query = f"SELECT COUNT(*) FROM looks WHERE item IN ({marks})"  # noqa: S608 - only marks
        total += connection.execute(query, some).fetchone()[0]
    return max(1, int(total / len(items) + 0.5))
