"""Records of other versions and tools stand beside ours on the same images, pair by pair."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.scoreboard_table import comparison, joined, played_in


def _line(draw: int, **hits: str) -> dict[str, Any]:
    ours = {"strategy": "mixture-of-probes", "seconds": 1.0}
    line = {"set": "ants", "shots": 5, "draw": draw, "items": [3, 1, 2, 0], "labelled": 10}
    return {**line, "ours": ours, "hits": hits}


OURS = [_line(0, ours="1100", **{"plain mean": "1000"}), _line(1, ours="1111")]


def test_the_difference_is_taken_on_the_draws_that_both_have() -> None:
    played = joined(played_in(OURS), {"before": [_line(0, ours="1000")]})
    assert [row.draw for row in played] == [0]
    cells = [line for line in comparison(played, ["before"]) if line.startswith("| ants, 5 ")]
    assert cells == ["| ants, 5 | 1 | 50.0 | 25.0 | +25.0 |"]


def test_a_tool_is_found_by_its_name() -> None:
    lines = [{**line, "hits": {"fastai": "0000"}} for line in OURS]
    played = joined(played_in(OURS), {"fastai": lines})
    (cell,) = [line for line in comparison(played, ["fastai"]) if line.startswith("| ants, 5 ")]
    assert cell == "| ants, 5 | 2 | 75.0 | 0.0 | +75.0 |"


def test_answers_to_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="tested on other images of"):
        joined(played_in(OURS), {"before": [{**OURS[0], "items": [0, 1, 2, 4]}]})
