"""A fit whose study lies in PostgreSQL, which crashes and comes back in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.own_postgresql import PostgreSql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("warm_cache"),
]

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

TRIALS = 4
OUTCOMES = """
SELECT value_json FROM trial_user_attributes
JOIN trials USING (trial_id) JOIN studies USING (study_id)
WHERE study_name = %s AND key = 'outcome' ORDER BY number
"""


def _fit(target: Path, catalogue: Path, name: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "autotransfer", "fit", str(target), "--json", "--no-report"),
            *("--sources", str(catalogue), "--trials", str(TRIALS), "--name", name),
            *("--storage", url),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _trials(server: PostgreSql, name: str) -> list[dict[str, Any]]:
    """Return the recorded outcomes of a study, read past Optuna and its pools of connections."""
    with psycopg.connect(server.address) as connection:
        if connection.execute("SELECT to_regclass('trial_user_attributes')").fetchone() == (None,):
            return []
        rows = connection.execute(OUTCOMES, (name,)).fetchall()
    return [json.loads(row[0]) for row in rows]


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_fit_goes_on_when_its_database_comes_back_and_ends_as_if_nothing_had_been(
    postgresql: PostgreSql, target: Path, catalogue: Path
) -> None:
    calm = _result(_fit(target, catalogue, "calm", postgresql.url))
    shaken = _fit(target, catalogue, "shaken", postgresql.url)
    deadline = time.monotonic() + 120
    while len(_trials(postgresql, "shaken")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    postgresql.stop()
    assert shaken.poll() is None, "the fit ended before the database could go away"
    time.sleep(3)
    assert shaken.poll() is None, "the fit did not wait for its database"
    postgresql.start()
    found = _result(shaken)

    def told(name: str) -> list[tuple[Any, ...]]:
        keys = ("number", "source", "strategy", "params", "state", "value")
        return [tuple(o[key] for key in keys) for o in _trials(postgresql, name)]

    assert found["trials"] == calm["trials"]
    assert told("shaken") == told("calm")
