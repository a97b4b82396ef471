"""Texts as lines of the terminal's width."""

from __future__ import annotations

import pytest

from autotransfer.cli.groups import filled, titled


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_a_number_stays_beside_its_per_cent_sign() -> None:
    text = "the whole of the gap lies above zero 95 % of the time"
    assert filled(text) == ["the whole of the gap lies above zero", "95 % of the time"]
    assert filled(text, "  ", "    ") == [
        "  the whole of the gap lies above zero",
        "    95 % of the time",
    ]


def test_a_titled_text_goes_on_below_itself() -> None:
    assert titled("rows", "nearest seen class 0.582; below 97.5 % of them") == [
        "  rows      nearest seen class 0.582;",
        "            below 97.5 % of them",
    ]
