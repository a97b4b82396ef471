from __future__ import annotations

from dataclasses import replace

from autotransfer.results import Share, Skipped
from autotransfer.tracking.note import NOTE_LENGTH, escaped, note
from autotransfer.tracking.projection import record_tags
from tests.unit.tracking.conftest import HOSTILE, MakeOutcome, MakeRecord


def test_winner_and_score_are_the_first_line(make_record: MakeRecord) -> None:
    first, _, second = note(make_record()).splitlines()[:3]
    assert first == (
        "**mobilenetv1-025-person** · feature-extraction · accuracy **0.900 [0.850, 0.940]**"
    )
    assert second == "**positive**: transfer helped by 12 points. Returned: transfer."


def test_a_long_verdict_is_told_to_its_end(make_record: MakeRecord) -> None:
    made = make_record()
    sentence = f"{'+34.0 points over all that was tried, ' * 10}about 8 would settle this one"
    told = note(replace(made, verdict=replace(made.verdict, sentence=sentence)))
    assert "about 8 would settle this one. Returned: transfer." in told


def test_names_cannot_bring_markup_into_the_note(
    make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    outcome = make_outcome(source=HOSTILE, strategy=HOSTILE)
    record = make_record((outcome,), skipped=(Skipped(HOSTILE, HOSTILE, HOSTILE),))
    text = note(record)
    assert "<script>" not in text
    assert text.count(escaped(HOSTILE)) == 5
    assert escaped("*a* | <b>") == r"\*a\* \| &lt;b&gt;"


def test_members_are_named_with_their_weights_where_there_are_several(
    make_record: MakeRecord,
) -> None:
    members = (Share(HOSTILE, "probe", None, 0.75), Share(None, "pixels", None, 0.25))
    text = note(make_record(members=members))
    assert "<script>" not in text
    assert f"| 0.75 | {escaped(HOSTILE)} | probe |" in text
    assert "| 0.25 | pixels | pixels |" in text
    assert "0.75 | " not in note(make_record(members=members[:1]))
    tags = record_tags(make_record(members=members))
    assert tags["members"].endswith("0.25 pixels | pixels")
    assert "members" not in record_tags(make_record())


def test_the_note_has_a_limit(make_record: MakeRecord) -> None:
    record = make_record(skipped=tuple(Skipped("s", "t", "because") for _ in range(500)))
    assert "| and 492 more |" in note(record)
    many = replace(record, warnings=tuple("w" * 4000 for _ in range(8)))
    sentence = replace(record.verdict, sentence="*" * 9000)
    assert len(note(replace(many, verdict=sentence))) <= NOTE_LENGTH + 2
