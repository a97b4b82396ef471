"""How much of an answer comes from which source."""

from __future__ import annotations

import pytest

from autotransfer.results import Share
from autotransfer.shares import source_weights, sources_told
from tests.unit.conftest import MakeRecord

MEMBERS = (
    Share("alpha", "probe", None, 0.2),
    Share(None, "pixels", None, 0.1),
    Share("beta", "probe", None, 0.4),
    Share("alpha", "fine-tune", None, 0.3),
)


def test_weights_of_a_source_are_added_and_the_greatest_comes_first(
    make_record: MakeRecord,
) -> None:
    weights = source_weights(make_record(members=MEMBERS))
    assert list(weights) == ["alpha", "beta", "pixels"]
    assert weights == pytest.approx({"alpha": 0.5, "beta": 0.4, "pixels": 0.1})


def test_one_two_and_more_sources_are_told(make_record: MakeRecord) -> None:
    assert sources_told(make_record(members=MEMBERS[:1])) == "alpha"
    assert sources_told(make_record(members=MEMBERS[:2])) == "alpha and pixels"
    assert sources_told(make_record(members=MEMBERS)) == "alpha and 2 more"
