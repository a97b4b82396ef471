"""The order that probes put the sources in."""

from __future__ import annotations

from dataclasses import replace

from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.probes import by_probes

SOURCES = tuple(replace(tiny_source(), name=name) for name in ("a", "b", "c", "d"))


def _probe(source: str, value: float, log_loss: float) -> Outcome:
    return Outcome(-1, source, "probe", {}, State.COMPLETE, value=value, log_loss=log_loss)


def _order(*outcomes: Outcome) -> str:
    return "".join(source.name for source in by_probes(SOURCES, outcomes))


def test_the_best_probe_of_each_source_counts_and_those_without_one_are_last() -> None:
    found = _order(_probe("c", 0.7, 0.9), _probe("b", 0.8, 0.9), _probe("c", 0.9, 1.5))
    assert found == "cbad"


def test_of_sources_with_as_many_right_answers_the_one_with_the_lower_log_loss_is_first() -> None:
    assert _order(_probe("a", 0.8, 0.5), _probe("d", 0.8, 0.4), _probe("b", 0.8, 0.6)) == "dabc"
