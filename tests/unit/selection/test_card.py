"""What a selection shows of itself in a terminal, in a notebook and as tables."""

from __future__ import annotations

import html.parser
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import Layers, Outcome, RankedSource, Ranking, Record, Share, State
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection
from tests.unit.conftest import MakeOutcome, MakeRecord

KEPT = Checkpoint(MajorityPredictor(np.ones(2) / 2), MAJORITY, baseline=True, source=None)
MEMBERS = tuple(
    Share(f"network-{i}", "fine-tune", Layers(5, 3, 2), weight)
    for i, weight in enumerate((0.3, 0.25, 0.2, 0.15, 0.1))
)


def crowded(record: Record) -> Record:
    """Return a record with much of everything."""
    rows = tuple(RankedSource(f"source-{i}" * 9, i, i, i, 1.0, 1, {}, 0, 0, 9) for i in range(40))
    return replace(
        record,
        name="n" * 200,
        class_names=tuple(f"class {i}" for i in range(1000)),
        ranking=Ranking(rows, ()),
        members=(*MEMBERS, *MEMBERS * 8),
        model="/folder" * 40,
        verdict=replace(record.verdict, sentence="much was said " * 60),
    )


def test_the_answer_stands_in_a_few_lines(make_record: MakeRecord) -> None:
    assert repr(Selection(make_record(), KEPT)).splitlines() == [
        "<Selection 'flowers-1': positive",
        "  transfer helped by 12 points",
        "  score    0.900 accuracy, 95 % 0.850 to 0.940, 200 images held out",
        "  chosen   mobilenetv1-025-person | feature-extraction (stage 4, 4 copied, frozen)",
        "  ranking  vit_small, person",
        "  classes  2: ant, bee",
        "  folder   flowers-1>",
    ]


def test_however_much_there_is_it_has_twelve_lines_at_most(make_record: MakeRecord) -> None:
    record = crowded(make_record())
    lines = repr(Selection(record, KEPT)).splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 89
    assert "  chosen   0.30 network-0 | fine-tune (stage 5, 3 copied, 2 tuned)" in lines
    third = "           0.20 network-2 | fine-tune (stage 5, 3 copied, 2 tuned) and 42 more"
    assert third in lines
    worse = replace(record, verdict=replace(record.verdict, returned="baseline"))
    assert len(repr(Selection(worse, KEPT)).splitlines()) <= 12


class _Text(html.parser.HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text, self.tags = "", list[str]()
        self.feed(markup)

    @override
    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    @override
    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def test_a_notebook_gets_a_card_with_everything_escaped(make_record: MakeRecord) -> None:
    record = make_record(name="<script>alert(1)</script>", members=MEMBERS)
    shown = _Text(Selection(record, KEPT)._repr_html_())
    assert not {"script", "b"} & set(shown.tags)
    for told in (
        "positive",
        "<script>alert(1)</script>",
        "transfer helped by 12 points",
        "0.900 accuracy, 95 % 0.850 to 0.940, 200 images held out",
        "0.30 network-0 | fine-tune (stage 5, 3 copied, 2 tuned)",
        "vit_small, person",
    ):
        assert told in shown.text


def test_the_best_names_every_member_with_source_strategy_layers_and_weight(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    assert Selection(make_record(members=MEMBERS), KEPT).best.members == MEMBERS
    (alone,) = Selection(make_record(), KEPT).best.members
    found = make_outcome()
    assert alone == Share(found.source, found.strategy, found.layers, 1.0)


def test_where_a_baseline_is_returned_the_finalist_keeps_its_own_members(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    ensemble = make_outcome(strategy="ensemble", layers=None, members=MEMBERS[::-1])
    record = make_record(members=(Share(None, "classical-pixels", None, 1.0),), finalist=ensemble)
    record = replace(record, verdict=replace(record.verdict, returned="baseline"))
    assert Selection(record, KEPT).best.members == MEMBERS  # the greatest weight first
    assert "returned baseline pixels" in repr(Selection(record, KEPT))


def test_the_ranking_is_a_frame_with_a_column_for_each_score(make_record: MakeRecord) -> None:
    frame = make_record().ranking.to_frame()
    assert frame.index.tolist() == ["vit_small", "person"]
    assert frame.index.name == "source"
    assert frame["rank"].tolist() == [1, 2]
    assert frame["shortlisted"].tolist() == [True, False]
    assert frame.loc["vit_small", "knn"] == 0.8
    assert frame["knn"].isna().tolist() == [False, True]


def test_the_leaderboard_has_a_row_for_each_outcome_the_best_first(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    failed = make_outcome(2, state=State.FAILED, value=None, fold_values=(), reason="no memory")
    outcomes: tuple[Outcome, ...] = (
        make_outcome(-1, value=0.6, params={}),
        failed,
        make_outcome(0),
    )
    frame = Selection(make_record(outcomes), KEPT).leaderboard()
    assert frame.index.tolist() == ["trial 0", "probe 1", "trial 2"]
    assert frame["score"].tolist()[:2] == [0.75, 0.6]
    assert frame["std"].iloc[0] == pytest.approx(0.05)
    assert frame["params.head"].iloc[0] == "ridge"
    assert frame.loc["trial 2", "reason"] == "no memory"


def test_a_log_loss_is_shown_as_people_read_it(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    outcomes = (make_outcome(0, value=-0.6), make_outcome(1, value=-0.4))
    frame = Selection(make_record(outcomes, metric="log_loss"), KEPT).leaderboard()
    assert frame["score"].tolist() == [0.4, 0.6]
