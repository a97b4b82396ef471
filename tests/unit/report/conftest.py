from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from autotransfer.results import (
    Baseline,
    Decision,
    Interval,
    Outcome,
    RankedSource,
    Ranking,
    Record,
    Seconds,
    Skipped,
    State,
    Verdict,
)
from autotransfer.strategy import Layers

HOSTILE = "a\"b'<script>alert(1)</script>&amp;$x^2$"

MakeOutcome = Callable[..., Outcome]
MakeRecord = Callable[..., Record]


@pytest.fixture
def make_outcome() -> MakeOutcome:
    """A complete outcome of a trial; keywords replace its fields."""

    def make(number: int = 0, **fields: Any) -> Outcome:
        outcome = Outcome(
            number=number,
            source="alpha",
            strategy="feature-extraction",
            params={"head": "ridge"},
            state=State.COMPLETE,
            value=0.75,
            fold_values=(0.7, 0.8),
            log_loss=0.6,
            seconds=2.0,
            elapsed=10.0,
            layers=Layers(stage=4, copied=4, tuned=0),
        )
        return replace(outcome, **fields)

    return make


@pytest.fixture
def make_record(make_outcome: MakeOutcome) -> MakeRecord:
    """A whole record of two classes; keywords replace its fields."""

    def make(**fields: Any) -> Record:
        outcome = make_outcome()
        verdict = Verdict(
            decision=Decision.POSITIVE,
            basis="sealed pictures",
            sentence="transfer gains 9.0 points over classical pixels",
            returned="transfer",
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
        rows = tuple(
            RankedSource(
                name, rank, rank, rank + 1, float(rank), 2, {"logme": 0.1 * rank}, 1.0, 4.0, 100,
                (0.6, 0.8 - 0.1 * rank),
            )
            for rank, name in enumerate(("alpha", "beta"), start=1)
        )  # fmt: skip
        record = Record(
            name="bees-1",
            setting="labelled",
            metric="accuracy",
            class_names=("ants", "bees"),
            seed=0,
            verdict=verdict,
            finalist=outcome,
            ranking=Ranking(rows, ("alpha",), "beta"),
            outcomes=(outcome,),
            skipped=(Skipped("beta", "*", "rank 2 of 2: not in the shortlist"),),
            seconds=Seconds(total=20.0, features=3.0, rank=4.0, search=8.0, guard=6.0),
            model="out/bees-1",
            provenance={"source.license": "Apache-2.0"},
        )
        return replace(record, **fields)

    return make
