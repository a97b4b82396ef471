"""Sections that come from the record alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from autotransfer.domain_results import DomainAccuracies, DomainScore
from autotransfer.report.cost import cost_section, pareto
from autotransfer.report.leaderboard import best_first, leaderboard_section
from autotransfer.report.material import Material
from autotransfer.report.page import page
from autotransfer.report.progress import progress_section, timed
from autotransfer.report.provenance import provenance_section
from autotransfer.report.ranking import ranking_section
from autotransfer.report.skipped import by_reason, skipped_section
from autotransfer.report.spending import by_strategy, parts_of, spending_section
from autotransfer.report.stages import other_sources, probe_curve, stages_section
from autotransfer.report.validators import validators_section
from autotransfer.report.verdict import verdict_section
from autotransfer.report.zero_shot import zero_shot_section
from autotransfer.results import Layers, Share, Skipped, State, ZeroShotFigures, ZeroShotFindings

Make = Callable[..., Any]


def test_the_verdict_shows_sentence_scores_and_both_gaps(make_record: Make) -> None:
    found = verdict_section(Material(make_record()))
    assert "0.910 (0.880 to 0.940)" in found
    assert found.index("0.820") < found.index("0.500")  # the best baseline first
    assert "against classical pixels +9.0 points (+4.0 to +14.0)" in found
    assert "against a probe on the default source +1.0 points (-2.0 to +4.0)" in found
    assert "A true gap of 6.0 points" in found
    assert "held-out items, 153 images" in found


def test_an_unverified_verdict_has_no_scores(make_record: Make) -> None:
    record = make_record()
    verdict = replace(record.verdict, test=None, gap=None, gap_reference=None, basis="validators")
    found = verdict_section(Material(replace(record, verdict=verdict, metric="label-free")))
    assert "Tested scores" not in found
    assert "validators" in found


def test_a_log_loss_is_shown_positive_with_its_bounds_in_order(make_record: Make) -> None:
    record = make_record(metric="log_loss")
    test = replace(record.verdict.test, value=-0.3, low=-0.4, high=-0.2)
    found = verdict_section(Material(replace(record, verdict=replace(record.verdict, test=test))))
    assert "0.300 (0.200 to 0.400)" in found


def test_the_rank_chart_names_every_source_and_marks_the_chosen(make_record: Make) -> None:
    found = ranking_section(Material(make_record()))
    assert found is not None
    assert ">alpha (chosen)</text>" in found
    assert ">beta</text>" in found
    assert "the first are 1 alpha, 2 beta" in found
    assert "<td>1 to 2</td>" in found
    assert "would have taken <bdi>beta</bdi>" in found


def test_with_domains_the_table_of_sources_shows_the_mean_and_the_worst(
    make_record: Make,
) -> None:
    record = make_record()
    left_out = DomainAccuracies({"day": 0.9, "<night>": 0.5})
    first, *others = record.ranking.rows
    ranking = replace(record.ranking, rows=(replace(first, left_out=left_out), *others))
    found = ranking_section(Material(replace(record, ranking=ranking)))
    assert found is not None
    assert "mean over domains" in found
    assert ">0.700</td>" in found
    assert "0.500 (<bdi>&lt;night&gt;</bdi>)" in found
    assert "mean over domains" not in str(ranking_section(Material(record)))


def test_the_pareto_front_is_what_nothing_beats_in_both(make_outcome: Make) -> None:
    points = [(1.0, 0.6), (2.0, 0.5), (3.0, 0.8), (3.0, 0.7), (9.0, 0.8), (10.0, 0.9)]
    outcomes = [make_outcome(i, seconds=s, value=v) for i, (s, v) in enumerate(points)]
    brute = [
        o for o in outcomes
        if not any(
            (p.seconds <= o.seconds and p.value > o.value)
            or (p.seconds < o.seconds and p.value >= o.value)
            for p in outcomes
        )
    ]  # fmt: skip
    assert [o.number for o in pareto(outcomes)] == [o.number for o in brute] == [0, 2, 5]


def test_without_a_complete_trial_there_is_no_cost_and_no_curve(
    make_record: Make, make_outcome: Make
) -> None:
    failed = make_outcome(value=None, state=State.FAILED)
    material = Material(make_record(outcomes=(failed,)))
    assert cost_section(material) is None
    assert progress_section(material) is None


def test_the_best_so_far_is_told_with_its_times(make_record: Make, make_outcome: Make) -> None:
    outcomes = (
        make_outcome(-1, value=0.6, elapsed=5.0),
        make_outcome(0, value=0.8, elapsed=30.0),
        make_outcome(1, value=0.7, elapsed=60.0),
    )
    found = progress_section(Material(make_record(outcomes=outcomes)))
    assert found is not None
    assert "0.600 after 5 s, 0.800 from 30 s on, until 60 s" in found


def test_trials_without_a_time_on_record_are_put_one_after_another(make_outcome: Make) -> None:
    outcomes = [make_outcome(i, elapsed=0.0, seconds=2.0) for i in range(3)]
    assert [o.elapsed for o in timed(outcomes)] == [2.0, 4.0, 6.0]


def test_the_stage_curve_takes_the_best_probe_of_each_stage_of_one_source(
    make_record: Make, make_outcome: Make
) -> None:
    outcomes = (
        make_outcome(-1, value=0.5, layers=Layers(1, 1, 0)),
        make_outcome(-2, value=0.6, layers=Layers(1, 1, 0)),
        make_outcome(-3, value=0.8, layers=Layers(2, 2, 0)),
        make_outcome(-4, value=0.9, layers=Layers(2, 2, 0), source="beta"),
        make_outcome(3, value=0.9, layers=Layers(2, 2, 0)),
    )
    assert probe_curve(outcomes, "alpha") == [(1, 0.6), (2, 0.8)]
    found = stages_section(Material(make_record(outcomes=outcomes)))
    assert found is not None
    assert "stage 1 0.600, stage 2 0.800" in found
    assert "Dotted are" not in found


def test_the_stage_curves_of_all_sources_of_the_answer_are_drawn(make_record: Make) -> None:
    members = tuple(
        Share(name, "probe", Layers(2, 2, 0), weight)
        for name, weight in (("beta", 0.6), ("alpha", 0.3), (None, 0.1))
    )
    record = make_record(members=members)
    assert other_sources(record) == ["beta"]
    found = stages_section(Material(record))
    assert found is not None
    assert "beta, ridge probe" in found
    assert "Dotted are the other sources of the answer." in found


def test_the_leaderboard_orders_by_score_then_log_loss_then_what_did_not_end(
    make_outcome: Make,
) -> None:
    outcomes = [
        make_outcome(0, value=None, state=State.FAILED),
        make_outcome(1, value=0.7),
        make_outcome(2, value=0.8, log_loss=0.5),
        make_outcome(3, value=0.8, log_loss=0.4),
    ]
    assert [o.number for o in best_first(outcomes)] == [3, 2, 1, 0]


def test_where_folds_are_domains_the_leaderboard_shows_the_worst(
    make_record: Make, make_outcome: Make
) -> None:
    outcomes = (make_outcome(0, value=0.7, fold_values=(0.9, 0.45, 0.75)),)
    record = make_record(outcomes=outcomes)
    assert "± folds" in str(leaderboard_section(Material(record)))
    domains = tuple(DomainScore(name, 30, 0.7, 0.5) for name in ("day", "dusk", "night"))
    verdict = replace(record.verdict, domains=domains)
    found = str(leaderboard_section(Material(replace(record, verdict=verdict))))
    assert "worst domain" in found
    assert ">0.450</td>" in found
    assert "± folds" not in found


def test_the_leaderboard_folds_what_is_below_the_first_ten(
    make_record: Make, make_outcome: Make
) -> None:
    outcomes = tuple(make_outcome(i, value=1 - i / 100) for i in range(14))
    found = leaderboard_section(Material(make_record(outcomes=outcomes)))
    assert found is not None
    assert "<summary>4 more</summary>" in found
    assert "<strong>trial 0, finalist</strong>" in found
    assert "Probes: 0; trials: 14 complete, 0 pruned, 0 failed." in found


def test_the_parts_of_the_time_add_up_to_all_of_it(make_record: Make) -> None:
    parts = parts_of(make_record())
    assert parts == {
        "ranking": 4.0, "search": 8.0, "guard": 6.0, "opening, checking and the rest": 2.0,
    }  # fmt: skip
    found = spending_section(Material(make_record()))
    assert found is not None
    assert "40 %" in found
    assert "3.0 s of it" in found


def test_the_seconds_of_a_strategy_are_those_of_all_its_trials(
    make_record: Make, make_outcome: Make
) -> None:
    outcomes = (
        make_outcome(0, seconds=1.0),
        make_outcome(1, seconds=5.0, strategy="fine-tune"),
        make_outcome(2, seconds=2.5),
    )
    assert by_strategy(make_record(outcomes=outcomes)) == {
        "fine-tune": 5.0,
        "feature-extraction": 3.5,
    }


def test_skipped_pairs_are_grouped_by_reason() -> None:
    skipped = [
        Skipped("a", "*", "rank 4 of 5: not in the shortlist"),
        Skipped("b", "*", "rank 5 of 5: not in the shortlist"),
        Skipped("*", "adapt", "needs images"),
        Skipped("c", "tune", "cannot be cut"),
    ]
    assert by_reason(skipped) == {
        "not in the shortlist": ["a", "b"],
        "needs images": ["adapt"],
        "cannot be cut": ["tune on c"],
    }


def test_warnings_and_what_time_decided_are_told(make_record: Make) -> None:
    record = make_record(warnings=("a <warning>",), forced=("no time for probes",), skipped=())
    found = skipped_section(Material(record))
    assert found is not None
    assert "a &lt;warning&gt;" in found
    assert "no time for probes" in found
    assert skipped_section(Material(make_record(skipped=()))) is None


def test_provenance_tells_the_licence_and_how_to_go_on(make_record: Make) -> None:
    found = provenance_section(Material(make_record()))
    assert "Apache-2.0" in found
    assert "autotransfer predict out/bees-1 IMAGES" in found


def test_validators_show_the_best_trial_of_each_method(
    make_record: Make, make_outcome: Make
) -> None:
    outcomes = (
        make_outcome(0, value=0.3, validators={"infomax": 0.125}),
        make_outcome(1, value=0.5, validators={"infomax": 0.25}),
        make_outcome(2, value=0.4, validators={"infomax": 0.375}, strategy="coral"),
    )
    record = make_record(scenario="unlabelled", metric="label-free", outcomes=outcomes)
    found = validators_section(Material(record))
    assert found is not None
    assert "0.250" in found
    assert "0.375" in found
    assert "0.125" not in found
    assert validators_section(Material(make_record())) is None


def test_the_described_setting_shows_its_figures_and_curve(make_record: Make) -> None:
    figures = ZeroShotFigures(
        "held-out classes", 0.4, 0.6, 0.48, 0.3, 0.55, ((0.0, 0.6), (0.5, 0.0))
    )
    described = ZeroShotFindings(
        ("cat",), ("ze<bra",), ("stripes",), ((0.0,), (1.0,)), 0.1, 1.0, (figures,), 0.01, 0.2,
        10, 0.35, ("cat",), None, None,
    )  # fmt: skip
    found = zero_shot_section(Material(make_record(scenario="described", zero_shot=described)))
    assert found is not None
    assert "0.480" in found
    assert "ze&lt;bra" in found
    assert "area 0.300" in found
    assert zero_shot_section(Material(make_record())) is None


@pytest.mark.parametrize("decision", ["positive", "negative"])
def test_a_returned_baseline_is_named(make_record: Make, decision: str) -> None:
    record = make_record()
    returned = "transfer" if decision == "positive" else "baseline"
    found = verdict_section(
        Material(replace(record, verdict=replace(record.verdict, returned=returned)))
    )
    assert ("the baseline <bdi>classical pixels</bdi>" in found) is (decision == "negative")


def test_the_column_that_wraps_says_how_a_trial_went(make_record: Make) -> None:
    found = str(leaderboard_section(Material(make_record())))
    head = re.findall(r'<th scope="col">([^<]*)</th>', found)
    assert head[-2:] == ["how it went", "parameters"]
    assert 'class="wide told"' in found
    told = ".told td:nth-last-child(2) { white-space: normal;"
    assert told in page(Material(make_record()), {})
