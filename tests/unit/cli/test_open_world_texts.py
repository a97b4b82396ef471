"""What a fit prints of the classes that seem to be in a target without labels."""

from __future__ import annotations

from dataclasses import replace

from autotransfer.cli.texts import fit_json, fit_text
from autotransfer.forecasts import Range
from autotransfer.results import Decision, DomainScore, Interval, OpenWorld, UnknownImages
from tests.unit.conftest import MakeRecord

SEEN = OpenWorld(
    (Interval(0.02, 0.0, 0.05, 90), Interval(0.38, 0.3, 0.45, 90), Interval(0.6, 0.5, 0.7, 90)),
    ("ant",),
)
NAMES = ("ant", "bee", "cat")


def test_the_shares_stand_largest_first_with_their_intervals(make_record: MakeRecord) -> None:
    record = make_record(open_world=SEEN, class_names=NAMES)
    lines = fit_text(record).splitlines()
    start = lines.index("  classes   2 of your 3 classes seem to be in the target")
    assert [line.strip() for line in lines[start + 1 : start + 4]] == [
        "0.60 (0.50 to 0.70)  cat",
        "0.38 (0.30 to 0.45)  bee",
        "0.02 (0.00 to 0.05)  ant",
    ]
    shares = fit_json(record)["class_shares"]
    assert list(shares) == list(NAMES)
    assert shares["cat"] == {"value": 0.6, "low": 0.5, "high": 0.7}


def test_what_is_not_known_is_said_and_null(make_record: MakeRecord) -> None:
    record = make_record(open_world=OpenWorld(doubt="too different"), class_names=NAMES)
    assert "  classes   not known which are in the target: too different" in fit_text(record)
    assert fit_json(record)["class_shares"] is None


def test_the_share_of_unknown_images_stands_below_the_classes(make_record: MakeRecord) -> None:
    unknown = UnknownImages(Range(0.12, 0.05, 0.2), 40, 400)
    for seen in (replace(SEEN, unknown=unknown), OpenWorld(doubt="too far", unknown=unknown)):
        record = make_record(open_world=seen, class_names=NAMES)
        text = " ".join(fit_text(record).split())
        assert "unknown 12 % of your images seem to be none of the classes (5 % to 20 %)" in text
        told = fit_json(record)["unknown"]
        assert told == {"share": 0.12, "low": 0.05, "high": 0.2, "rejected": 40, "n": 400}


def test_an_unknown_share_that_is_not_told_is_null_and_says_why(make_record: MakeRecord) -> None:
    unknown = UnknownImages(None, 0, 400, "too strange")
    record = make_record(open_world=replace(SEEN, unknown=unknown), class_names=NAMES)
    assert fit_json(record)["unknown"] is None
    assert "is not known: too strange" in " ".join(fit_text(record).split())
    record = make_record(open_world=SEEN, class_names=NAMES)
    assert "unknown" not in fit_json(record)  # of an earlier version


def test_a_fit_with_labels_says_nothing_of_it(make_record: MakeRecord) -> None:
    assert "class_shares" not in fit_json(make_record())
    assert "  classes " not in fit_text(make_record())


def test_left_out_domains_stand_with_the_worst_first(make_record: MakeRecord) -> None:
    record = make_record()
    found = (DomainScore("ink", 20, 0.9, 0.5), DomainScore("oil", 30, 0.4, 0.45))
    verdict = replace(record.verdict, domains=found, units="left-out domains")
    record = replace(record, verdict=verdict)
    lines = fit_text(record).splitlines()
    start = lines.index("  domains   each left out in turn, the worst first (2 domains)")
    assert [line.strip() for line in lines[start + 1 : start + 3]] == [
        "0.400 (0.450 without a source, 30 items)  oil",
        "0.900 (0.500 without a source, 20 items)  ink",
    ]
    assert "no interval from so few" in fit_text(record)
    assert "left-out domains (accuracy)" in fit_text(record)
    told = fit_json(record)
    assert told["domains"]["ink"] == {"n": 20, "test": 0.9, "rival": 0.5}
    assert told["worst_domain"] == "oil"


def test_an_open_verdict_over_domains_asks_for_domains_and_not_for_labels(
    make_record: MakeRecord,
) -> None:
    record = make_record()
    opened = replace(record.verdict, decision=Decision.INCONCLUSIVE)
    assert "label more images" in fit_text(replace(record, verdict=opened))
    found = (DomainScore("ink", 20, 0.9, 0.5), DomainScore("oil", 30, 0.4, 0.45))
    said = fit_text(replace(record, verdict=replace(opened, domains=found)))
    assert "label more" not in said
    assert "add domains, these are too few: nothing is claimed of fewer than 5" in said
