"""How the sources did on the user's earlier targets, kept in the workspace."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from autotransfer.errors import DataWarning
from autotransfer.models.ranks import average_ranks
from autotransfer.models.source import Source
from autotransfer.results import Outcome

_TABLE = (
    "CREATE TABLE IF NOT EXISTS earlier_targets "
    "(target TEXT, source TEXT, place REAL, PRIMARY KEY (target, source))"
)


def mean_places(file: Path, *, without: str) -> dict[str, float]:
    """Return the mean place of each source over earlier targets, by fingerprint.

    What an older version recorded has a fingerprint that no source has any more: it is no prior.

    Args:
        file: The SQLite file of the workspace; one that is not there has no record.
        without: Fingerprint of the target at hand, which must not inform itself.

    Returns:
        Places in [0, 1]: 0 for a source that was always the best, 1 for one always the worst.
    """
    if not file.is_file():
        return {}
    try:
        with _opened(file) as connection:
            rows = connection.execute(
                "SELECT source, AVG(place) FROM earlier_targets WHERE target != ? GROUP BY source",
                (without,),
            ).fetchall()
    except sqlite3.Error:  # an older file has no such table; without a record there is no prior
        return {}
    return {str(source): float(place) for source, place in rows}


def record_places(
    file: Path, target: str, sources: Sequence[Source], outcomes: Sequence[Outcome]
) -> None:
    """Record how the sources of a fit compare by their best validation score.

    Args:
        file: The SQLite file of the workspace.
        target: Fingerprint of the items; a second fit on them replaces the first.
        sources: The candidates.
        outcomes: What was tried; fewer than two sources with a score leave no record.
    """
    found = _places(sources, outcomes)
    if len(found) < 2:
        return
    try:
        with _opened(file) as connection, connection:
            connection.execute(_TABLE)
            connection.execute("DELETE FROM earlier_targets WHERE target = ?", (target,))
            connection.executemany(
                "INSERT OR REPLACE INTO earlier_targets VALUES (?, ?, ?)",
                [(target, fingerprint, place) for fingerprint, place in found.items()],
            )
    except sqlite3.Error as error:
        warnings.warn(
            f"the record of earlier targets, {file}, could not be written ({error}); later "
            "rankings do without this fit",
            DataWarning,
            stacklevel=2,
        )


def _places(sources: Sequence[Source], outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    best: dict[str, float] = {}
    for outcome in outcomes:
        if outcome.value is not None:
            best[outcome.source] = max(outcome.value, best.get(outcome.source, outcome.value))
    fingerprints = {source.name: source.fingerprint for source in sources}
    names = [name for name in best if name in fingerprints]
    if len(names) < 2:
        return {}
    ranks = average_ranks([-best[name] for name in names]) - 1
    return {
        fingerprints[name]: float(rank) / (len(names) - 1)
        for name, rank in zip(names, ranks, strict=True)
    }


def _opened(file: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(file, timeout=30.0))
