"""What the terminal says of an answer that is put together of several."""

from __future__ import annotations

from autotransfer.cli.texts import fit_json, fit_text
from autotransfer.results import Layers, Share
from tests.unit.conftest import MakeRecord

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
