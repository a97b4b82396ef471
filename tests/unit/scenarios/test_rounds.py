from __future__ import annotations

from dataclasses import replace

from autotransfer.scenarios.options import Options
from autotransfer.scenarios.rounds import next_round
from autotransfer.scenarios.run import Request


def _request(**options: object) -> Request:
    return Request(replace(Options(), **options), None, 0.0, [])  # type: ignore[arg-type]


def test_a_round_of_further_labels_has_a_name_of_its_own_that_the_same_labels_find_again() -> None:
    asked = _request(labels=["a.csv"], resume=True, name="photos", out="found/photos")
    (first, second) = (next_round(asked, 284).options for _ in range(2))
    assert first.name == second.name == "photos-284-labels"
    assert str(first.out) == "found/photos-284-labels"
    assert next_round(asked, 304).options.name == "photos-304-labels"


def test_without_tables_or_without_resuming_the_name_stays() -> None:
    for options in ({"labels": ["a.csv"], "name": "x"}, {"resume": True, "name": "x"}):
        assert next_round(_request(**options), 10).options.name == "x"
    assert next_round(_request(labels=["a.csv"], resume=True), 10).options.name is None
