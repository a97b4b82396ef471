"""The table of docs/benchmarks/unlabelled.md is what the consensus makes of the shifts today."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from tests.benchmarks.unlabelled import SHIFTS, Cell, cells, read, tables

ROOT = Path(__file__).parents[2]
ROWS = read(ROOT / "tests" / "benchmarks" / "records" / "unlabelled.jsonl")


@pytest.fixture(scope="module")
def found() -> list[Cell]:
    return cells(ROWS)


def test_the_page_shows_what_is_recorded() -> None:
    page = (
        (ROOT / "docs" / "benchmarks" / "unlabelled.md").read_text(encoding="utf-8").splitlines()
    )
    shown = [line for line in tables(ROWS) if line.startswith("|")]
    assert len(shown) == 2 + len(SHIFTS)
    assert [line for line in shown if line not in page] == []


def test_twelve_shifts_have_three_seeds_each(found: list[Cell]) -> None:
    seeds = {shift.name: sum(c.shift == shift.name for c in found) for shift in SHIFTS}
    assert sum(number >= 3 for number in seeds.values()) == 12


def test_the_consensus_has_half_of_what_can_be_gained_and_does_not_lose_to_mcc(
    found: list[Cell],
) -> None:
    gain, best, mcc = (
        mean(accuracy - cell.plain for cell, accuracy in zip(found, of_rule, strict=True))
        for of_rule in zip(*((c.chosen, c.best, c.mcc) for c in found), strict=True)
    )
    assert gain >= best / 2
    assert gain >= mcc


def test_the_consensus_is_nowhere_two_points_below_what_does_not_adapt(
    found: list[Cell],
) -> None:
    assert min(cell.chosen - cell.plain for cell in found) >= -0.02
