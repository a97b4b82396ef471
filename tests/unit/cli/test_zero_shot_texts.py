"""What the terminal says of classes without images."""

from __future__ import annotations

import pytest

from autotransfer.cli.zero_shot_texts import zero_shot_text
from autotransfer.results import ZeroShotFigures, ZeroShotFindings

FIGURES = ZeroShotFigures("held-out classes", 0.531, 0.781, 0.632, 0.538, 0.665)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> ZeroShotFindings:
    monkeypatch.setenv("COLUMNS", "80")
    return ZeroShotFindings(
        seen=("ant", "bee"),
        unseen=("cat",),
        attributes=("legs",),
        values=((0.0,),) * 3,
        stacking_offset=0.0,
        inverse_temperature=1.0,
        figures=(FIGURES,),
        p_value=0.835,
        null_high=0.739,
        pairs=28,
        nearest_seen_class=0.582,
        known_to_source=("a class with a long name", "another one with a long name"),
        without_known=0.5,
        own_head=0.6,
        competitors=1,
    )


def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(found: ZeroShotFindings) -> None:
    lines = zero_shot_text(found)
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("  rows      nearest seen class 0.582; exchanged")
    told = " ".join(" ".join(lines).split())
    assert "97.5 % below 0.739, p 0.835" in told
    assert "another one with a long name: 0.500 without them, 0.600 by its own head" in told
    assert "held-out classes: unseen alone 0.665, among all U 0.531, S 0.781, H 0.632" in told
