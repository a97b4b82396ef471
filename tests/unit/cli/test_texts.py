"""What the terminal says of an answer that is put together of several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autotransfer.cli.texts import fit_json, fit_text
from autotransfer.results import Layers, Share
from tests.unit.conftest import MakeOutcome, MakeRecord

LAST = Layers(stage=4, copied=4, tuned=0)
WEIGHTS = (0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.06, 0.04)
MEMBERS = tuple(Share(f"network-{i}", "probe", LAST, weight) for i, weight in enumerate(WEIGHTS))


def test_the_first_six_members_are_named_and_the_others_have_their_weight_in_one_line(
    make_record: MakeRecord,
) -> None:
    lines = fit_text(make_record(members=MEMBERS)).splitlines()
    start = lines.index("  members   8, by weight")
    assert [line.strip() for line in lines[start + 1 : start + 8]] == [
        *(
            f"{weight:.2f}  network-{i} | probe (stage 4, 4 copied, frozen)"
            for i, weight in enumerate(WEIGHTS[:6])
        ),
        "0.10  2 more, named in the report",
    ]


def test_a_member_without_a_source_reads_pixels(make_record: MakeRecord) -> None:
    members = (Share("network", "fine-tune", LAST, 0.6), Share(None, "pixels", None, 0.4))
    text = fit_text(make_record(members=members))
    assert "0.60  network | fine-tune (stage 4, 4 copied, frozen)\n" in text
    assert "0.40  pixels | pixels\n" in text


def test_one_member_is_the_source_itself_and_is_not_named_twice(make_record: MakeRecord) -> None:
    record = make_record(members=MEMBERS[:1])
    assert "members" not in fit_text(record)
    (member,) = fit_json(record)["members"]
    assert member == {
        "source": "network-0",
        "strategy": "probe",
        "layers": {"stage": 4, "copied": 4, "tuned": 0},
        "weight": 0.3,
    }


def test_sources_are_named_by_their_weight_in_the_answer(make_record: MakeRecord) -> None:
    text = fit_text(make_record(members=MEMBERS))
    assert "\n  source    network-0 and 7 more\n" in text
    assert " on network-0 and 7 more)\n" in text
    two = (Share("alpha", "probe", LAST, 0.4), Share(None, "pixels", None, 0.6))
    assert "\n  source    pixels and alpha\n" in fit_text(make_record(members=two))


def test_no_line_is_wider_than_the_terminal(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    long = tuple(replace(m, source=f"mobilenetv1-100-imagenet-{m.source}") for m in MEMBERS)
    outcomes = tuple(
        make_outcome(i, source="mobilenetv1-100-imagenet", strategy="feature-extraction-of-two")
        for i in range(3)
    )
    lines = fit_text(make_record(members=long, outcomes=outcomes)).splitlines()
    assert max(map(len, lines)) <= 80
    assert (
        "            0.30  mobilenetv1-100-imagenet-network-0 | probe (stage 4, 4 copied," in lines
    )
    assert "                  frozen)" in lines


def test_the_next_command_can_be_typed_where_the_fit_was(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = replace(make_record(), model=str(tmp_path / "my photos-1"))
    monkeypatch.chdir(tmp_path)
    text = fit_text(record)
    assert "\n  model     my photos-1\n" in text
    assert "\nnext: autotransfer predict 'my photos-1' IMAGES" in text
    monkeypatch.chdir(tmp_path.parent)
    assert f"model     {tmp_path.name}/my photos-1\n" in fit_text(record)
    monkeypatch.chdir("/")
    elsewhere = tmp_path.relative_to("/")
    assert f"model     {elsewhere}/my photos-1\n" in fit_text(record)


def test_without_labels_the_trial_that_is_returned_is_named_and_the_finalist_left_out(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    plain = make_outcome(3, source="beta", strategy="source-probe")
    adapted = make_outcome(4, source="alpha", strategy="mcc")
    record = make_record(
        outcomes=(plain, adapted), finalist=adapted, provenance={"returned": "trial 3"}
    )
    text = fit_text(replace(record, verdict=replace(record.verdict, returned="baseline")))
    assert "\n  source    beta\n  strategy  source-probe" in text
    assert "\n  left out  mcc on alpha\n" in text
