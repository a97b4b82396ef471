from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_param_name, _validate_tag_name

from autotransfer.forecasts import Range
from autotransfer.results import (
    DomainScore,
    Layers,
    OpenWorld,
    Outcome,
    Ranking,
    State,
    UnknownImages,
)
from autotransfer.tracking.projection import (
    best_so_far,
    key,
    one_line,
    outcome_figures,
    outcome_params,
    outcome_tags,
    ranking_csv,
    record_figures,
    record_tags,
    run_name,
    view_state,
)
from tests.unit.tracking.conftest import HOSTILE, MakeOutcome, MakeRecord


def test_a_run_name_says_what_was_tuned_of_which_source(make_outcome: MakeOutcome) -> None:
    found = make_outcome(7, source="vit_small", strategy="fine-tune", layers=Layers(5, 5, 2))
    assert run_name(found) == "fine-tune 2 of 5 stages, vit_small (trial 7)"
    assert run_name(make_outcome(7)) == (
        "feature-extraction at stage 4, mobilenetv1-025-person (trial 7)"
    )
    assert run_name(make_outcome(7, layers=None, source="a")) == "feature-extraction, a (trial 7)"


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 99_999))
def test_a_run_name_is_one_line_of_a_length_that_mlflow_takes(
    source: str, strategy: str, number: int
) -> None:
    name = run_name(Outcome(number, source, strategy, {}, State.FAILED))
    assert len(name) <= 250
    assert len(name.splitlines()) == 1


def test_fits_and_trials_have_source_and_strategy_in_the_same_columns(
    make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    child, parent = outcome_tags(make_outcome(), "parent"), record_tags(make_record())
    columns = json.loads(view_state("accuracy"))["selectedColumns"]
    for name in ("source", "strategy"):
        assert {name} <= child.keys() & parent.keys()
        assert f"tags.`{name}`" in columns
    figures = {figure.name for figure in record_figures(make_record())}
    for name in ("test/accuracy", "test/accuracy_low", "test/accuracy_high", "val/accuracy"):
        assert name in figures
        assert f"metrics.`{name}`" in columns


def test_shared_knobs_have_one_name_for_all_strategies(make_outcome: MakeOutcome) -> None:
    assert outcome_params(make_outcome()) == {
        "source": "mobilenetv1-025-person",
        "strategy": "feature-extraction",
        "depth": "0.5",
        "feature-extraction.head": "ridge",
    }


def test_a_long_parameter_is_cut_with_a_mark(make_outcome: MakeOutcome) -> None:
    params = outcome_params(make_outcome(params={"a": "x" * 300, "b": "x" * 600}))
    assert params["feature-extraction.a"] == "x" * 300
    assert params["feature-extraction.b"] == "x" * 499 + "…"


@given(st.text())
def test_mlflow_takes_every_key(text: str) -> None:
    _validate_param_name(key(text))
    _validate_tag_name(f"provenance.{key(text)}")
    assert len(key(text)) <= 200


@given(st.text(), st.integers(1, 50))
def test_one_line_is_no_longer_than_asked(text: str, length: int) -> None:
    line = one_line(text, length)
    assert len(line) <= length
    assert len(line.splitlines()) <= 1


def test_a_complete_trial_has_its_score_its_folds_and_its_rungs_by_step(
    make_outcome: MakeOutcome,
) -> None:
    points = {(f.name, f.step): f.value for f in outcome_figures(make_outcome(), "accuracy")}
    assert points == {
        ("seconds", 0): 2.0,
        ("rung/accuracy", 1): 0.6,
        ("rung/accuracy", 9): 0.75,
        ("fold/accuracy", 0): 0.7,
        ("fold/accuracy", 1): 0.8,
        ("val/accuracy", 0): 0.75,
        ("val/log_loss", 0): 0.6,
    }


def test_log_loss_is_written_once_and_positive(make_outcome: MakeOutcome) -> None:
    outcome = make_outcome(value=-0.6, fold_values=(-0.6,), rungs=((9, -0.6),))
    figures = outcome_figures(outcome, "log_loss")
    assert [f.value for f in figures if f.name == "val/log_loss"] == [0.6]
    assert all(f.value > 0 for f in figures)


def test_a_score_that_is_not_finite_is_left_out(make_outcome: MakeOutcome) -> None:
    outcome = make_outcome(value=float("nan"), log_loss=float("inf"))
    names = {f.name for f in outcome_figures(outcome, "accuracy")}
    assert not names & {"val/accuracy", "val/log_loss"}


def test_the_state_of_a_trial_is_a_tag_and_only_a_failure_looks_like_one(
    make_outcome: MakeOutcome,
) -> None:
    pruned = make_outcome(3, state=State.PRUNED, reason="below\nthe others", layers=None)
    assert outcome_tags(pruned, "abc") == {
        "mlflow.parentRunId": "abc",
        "mlflow.source.name": "autotransfer",
        "mlflow.source.type": "LOCAL",
        "autotransfer.number": "3",
        "state": "pruned",
        "reason": "below the others",
        "source": "mobilenetv1-025-person",
        "strategy": "feature-extraction",
    }
    assert outcome_tags(make_outcome(), "abc")["layers"] == "stage 4, copied 4, tuned 0"


def test_the_curve_never_falls_and_counts_every_second(
    make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    outcomes = (
        make_outcome(0, state=State.FAILED, value=None, seconds=1.0),
        make_outcome(2, value=0.6, seconds=2.0),
        make_outcome(3, value=0.5, seconds=4.0),
        make_outcome(5, value=0.7, seconds=8.0),
    )
    figures = best_so_far(make_record(outcomes))
    best = [(f.step, f.value, f.seconds) for f in figures if f.name == "best/val_accuracy"]
    spent = [(f.step, f.value) for f in figures if f.name == "spent/seconds"]
    assert best == [(2, 0.6, 3.0), (3, 0.6, 7.0), (5, 0.7, 15.0)]
    assert spent == [(0, 1.0), (2, 3.0), (3, 7.0), (5, 15.0)]


def test_the_verdict_has_its_gaps_its_baselines_and_its_counts(make_record: MakeRecord) -> None:
    points = {f.name: f.value for f in record_figures(make_record())}
    assert points["test/accuracy"] == 0.9
    assert (points["gap/baseline_low"], points["gap/baseline_high"]) == (0.06, 0.18)
    assert points["gap/reference"] == 0.01
    assert (points["baseline/majority"], points["baseline/pixels"]) == (0.5, 0.78)
    assert (points["trials/complete"], points["trials/failed"]) == (1, 0)
    assert (points["seconds/total"], points["val/accuracy"]) == (30.0, 0.75)


def test_an_interval_of_log_loss_keeps_low_below_high(make_record: MakeRecord) -> None:
    record = make_record(metric="log_loss")
    assert record.verdict.test is not None
    test = replace(record.verdict.test, value=-0.4, low=-0.5, high=-0.3)
    record = replace(record, verdict=replace(record.verdict, test=test))
    points = {f.name: f.value for f in record_figures(record)}
    assert points["test/log_loss"] == 0.4
    assert (points["test/log_loss_low"], points["test/log_loss_high"]) == (0.3, 0.5)
    assert points["gap/baseline"] == 0.12


def test_provenance_and_verdict_are_tags(make_record: MakeRecord) -> None:
    tags = record_tags(make_record())
    assert tags["verdict"] == "positive"
    assert tags["provenance.source.license"] == "apache-2.0"
    assert tags["provenance.target"] == "c0de"


def test_the_ranking_reads_back_as_a_table(make_record: MakeRecord) -> None:
    first, second = make_record().ranking.rows
    ranking = Ranking((replace(first, source=HOSTILE), second), ("person",))
    rows = list(csv.DictReader(io.StringIO(ranking_csv(ranking))))
    assert [row["source"] for row in rows] == [one_line(HOSTILE), "person"]
    assert [row["shortlist"] for row in rows] == ["no", "yes"]
    assert [row["knn"] for row in rows] == ["0.8", ""]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_newest_fit_comes_first_and_the_scores_are_columns(metric: str) -> None:
    state = json.loads(view_state(metric))
    assert (state["orderByKey"], state["orderByAsc"]) == ("attributes.start_time", False)
    assert {f"metrics.`val/{metric}`", f"metrics.`test/{metric}`"} <= {*state["selectedColumns"]}


def test_verdict_and_scores_are_seen_on_a_laptop_beside_mlflows_own_panels() -> None:
    state = json.loads(view_state("accuracy"))
    seen = state["columnOrder"][:5]
    assert seen[2:] == ["tags.`verdict`", "metrics.`test/accuracy`", "metrics.`val/accuracy`"]
    assert sum(state["columnWidths"][name] for name in seen) <= 740  # of 1440 pixels
    assert {*state["selectedColumns"]} < {*state["columnOrder"]} == {*state["columnWidths"]}


def test_the_unknown_share_is_a_figure_with_its_bounds(make_record: MakeRecord) -> None:
    def figures(seen: OpenWorld) -> dict[str, float]:
        found = record_figures(make_record(open_world=seen))
        return {f.name: f.value for f in found if f.name.startswith("unknown/")}

    told = OpenWorld(unknown=UnknownImages(Range(0.12, 0.05, 0.2), 40, 400))
    assert figures(told) == {
        "unknown/share": 0.12,
        "unknown/share_low": 0.05,
        "unknown/share_high": 0.2,
    }
    assert figures(OpenWorld(unknown=UnknownImages(None, doubt="too strange"))) == {}
    assert figures(OpenWorld()) == {}


def test_each_left_out_domain_is_a_figure(make_record: MakeRecord) -> None:
    record = make_record()
    found = (DomainScore("ink", 20, 0.9, 0.5), DomainScore("oil", 30, 0.4, 0.45))
    record = replace(record, verdict=replace(record.verdict, domains=found))
    figures = {figure.name: figure.value for figure in record_figures(record)}
    assert (figures["domain/ink"], figures["domain/oil"]) == (0.9, 0.4)
