from __future__ import annotations

from dataclasses import replace

from autotransfer.cli.ranking_texts import rank_json, rank_text
from autotransfer.domain_results import DomainAccuracies
from autotransfer.results import RankedSource, Ranking

ROW = RankedSource("net", 1, 1, 1, 1.0, 1, {"logme": 0.5}, 1.0, 2.0, 90, (0.8,))
LEFT_OUT = DomainAccuracies({"day": 0.9, "night": 0.5, "dusk": 0.7})


def _ranking(row: RankedSource) -> Ranking:
    return Ranking((row,), ("net",), "net")


def test_with_domains_the_mean_and_the_worst_of_those_left_out_are_shown() -> None:
    ranking = _ranking(replace(ROW, left_out=LEFT_OUT))
    head, row = rank_text(ranking, ()).splitlines()[:2]
    assert "domains  worst" in head
    assert "0.700  0.500" in row
    assert "for net that is night" in rank_text(ranking, ())
    assert rank_json(ranking, ())["ranking"][0]["domains"] == {
        "mean_over_domains": (0.9 + 0.5 + 0.7) / 3,
        "worst_domain": "night",
        "on_worst_domain": 0.5,
        "accuracies": {"day": 0.9, "night": 0.5, "dusk": 0.7},
    }


def test_without_domains_nothing_is_said_of_them() -> None:
    ranking = _ranking(ROW)
    assert "domains" not in rank_text(ranking, ())
    assert "domains" not in rank_json(ranking, ())["ranking"][0]
