from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from autotransfer.results import (
    Baseline,
    Decision,
    Interval,
    Layers,
    Outcome,
    RankedSource,
    Ranking,
    Record,
    Seconds,
    Skipped,
    State,
    Verdict,
)
from tests.unit.transferability.samples import Sample, draw

MakeOutcome = Callable[..., Outcome]
MakeRecord = Callable[..., Record]


@pytest.fixture
def make_outcome() -> MakeOutcome:
    """A complete outcome of a trial; keywords replace its fields."""

    def make(number: int = 0, **fields: Any) -> Outcome:
        outcome = Outcome(
            number=number,
            source="mobilenetv1-025-person",
            strategy="feature-extraction",
            params={"depth": 0.5, "head": "ridge"},
            state=State.COMPLETE,
            value=0.75,
            fold_values=(0.7, 0.8),
            log_loss=0.6,
            rungs=((1, 0.6), (9, 0.75)),
            seconds=2.0,
            layers=Layers(stage=4, copied=4, tuned=0),
        )
        return replace(outcome, **fields)

    return make


@pytest.fixture
def make_record(make_outcome: MakeOutcome) -> MakeRecord:
    """A whole record; keywords replace its fields."""

    def make(outcomes: tuple[Outcome, ...] | None = None, **fields: Any) -> Record:
        outcomes = (make_outcome(),) if outcomes is None else outcomes
        verdict = Verdict(
            decision=Decision.POSITIVE,
            basis="held-out items",
            sentence="transfer helped by 12 points",
            returned="transfer",
            test=Interval(0.9, 0.85, 0.94, 200),
            baselines=(Baseline("majority", 0.5, 0.0), Baseline("pixels", 0.78, 1.0)),
            best_baseline="pixels",
            gap=Interval(0.12, 0.06, 0.18, 200),
            minimum_detectable=0.05,
            gap_reference=Interval(0.01, -0.02, 0.04, 200),
            returned_test=0.9,
        )
        rows = (
            RankedSource("vit_small", 1, 1, 2, 1.5, 4, {"logme": 0.3, "knn": 0.8}, 1.0, 80.0, 300),
            RankedSource("person", 2, 1, 2, 1.6, 3, {"logme": 0.1}, 0.5, 1.0, 300),
        )
        record = Record(
            name="flowers-1",
            scenario="labelled",
            metric="accuracy",
            class_names=("ant", "bee"),
            seed=0,
            verdict=verdict,
            finalist=outcomes[0],
            ranking=Ranking(rows, ("vit_small",)),
            outcomes=outcomes,
            skipped=(Skipped("person", "*", "not in the shortlist"),),
            seconds=Seconds(total=30.0, features=5.0, rank=3.0, search=15.0, guard=7.0),
            model="flowers-1",
            provenance={"source.license": "apache-2.0", "source": "5f1e", "target": "c0de"},
        )
        return replace(record, **fields)

    return make


@pytest.fixture
def sample() -> Sample:
    return draw(0)


@pytest.fixture
def wide_sample() -> Sample:
    return draw(1, n=24, d=50)
