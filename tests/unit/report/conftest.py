from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotransfer.results import (
    Baseline,
    Interval,
    Outcome,
    RankedSource,
    Ranking,
    Record,
    Seconds,
    Skipped,
)
from tests.unit.conftest import MakeOutcome, MakeRecord

HOSTILE = "a\"b'<script>alert(1)</script>&amp;$x^2$"


@pytest.fixture
def make_outcome(make_outcome: MakeOutcome) -> MakeOutcome:
    """A complete outcome of a trial of the source alpha; keywords replace its fields."""

    def make(number: int = 0, **fields: Any) -> Outcome:
        ours: dict[str, Any] = {
            "source": "alpha", "params": {"head": "ridge"}, "rungs": (), "elapsed": 10.0
        }  # fmt: skip
        return make_outcome(number, **{**ours, **fields})

    return make


@pytest.fixture
def make_record(make_record: MakeRecord) -> MakeRecord:
    """A whole record of two classes and two sources; keywords replace its fields."""

    def make(**fields: Any) -> Record:
        rows = tuple(
            RankedSource(
                name, rank, rank, rank + 1, float(rank), 2, {"logme": 0.1 * rank}, 1.0, 4.0, 100,
                (0.6, 0.8 - 0.1 * rank),
            )
            for rank, name in enumerate(("alpha", "beta"), start=1)
        )  # fmt: skip
        record = make_record()
        verdict = replace(
            record.verdict,
            sentence="transfer gains 9.0 points over classical pixels",
            test=Interval(0.91, 0.88, 0.94, 153),
            baselines=(
                Baseline("majority", 0.5, 0.0),
                Baseline("classical-pixels", 0.82, 1.0),
            ),
            best_baseline="classical-pixels",
            gap=Interval(0.09, 0.04, 0.14, 153),
            minimum_detectable=0.06,
            gap_reference=Interval(0.01, -0.02, 0.04, 153),
            returned_test=0.91,
            remarks=("chosen from 3 complete trials",),
        )
        ours: dict[str, Any] = {
            "name": "bees-1",
            "class_names": ("ants", "bees"),
            "verdict": verdict,
            "ranking": Ranking(rows, ("alpha",), "beta"),
            "skipped": (Skipped("beta", "*", "rank 2 of 2: not in the shortlist"),),
            "seconds": Seconds(total=20.0, features=3.0, rank=4.0, search=8.0, guard=6.0),
            "model": "out/bees-1",
            "provenance": {"source.license": "Apache-2.0"},
        }
        return replace(record, **{**ours, **fields})

    return make
