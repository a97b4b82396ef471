"""The first screen answers the three questions, and a browser shows all of it at any width."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from autotransfer.report.cover import cover
from autotransfer.report.material import Material
from autotransfer.report.page import OPEN, SECTIONS, built, page
from autotransfer.report.verdict import verdict_section
from autotransfer.results import Decision, Layers, Share
from tests.unit.conftest import MakeOutcome, MakeRecord
from tests.unit.report.conftest import HOSTILE

FROZEN = Layers(5, 5, 0)
MEMBERS = (
    Share("alpha", "probe", FROZEN, 0.4),
    Share("beta", "probe", FROZEN, 0.35),
    Share("alpha", "fine-tune", Layers(5, 3, 2), 0.25),
)
WIDTHS = (390, 768, 1440)


def _text(markup: str) -> str:
    plain = re.sub(r"<br>|</p>|</h2>|</strong>", "\n", markup)
    return html.unescape(re.sub(r"<[^>]+>", "", plain))


def test_the_three_questions_are_answered_with_every_source_and_its_layers(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    record = make_record(members=MEMBERS, finalist=make_outcome(strategy="ensemble", layers=None))
    lines = [line for line in _text(cover(Material(record))).splitlines() if line.strip()]
    assert lines == [
        "What to transfer",
        "alpha (65 %)",
        "beta (35 %)",
        "How",
        "ensemble",
        "probe: stage 5, 5 copied, frozen",
        "fine-tune: stage 5, 3 copied, 2 tuned",
        "When not to",
        "positive",
        " transfer gains 9.0 points over classical pixels",
        "Transfer helped: the whole interval of the gap lies above zero. Accuracy 0.910, 95 % "
        "0.880 to 0.940; returned: the transferred model.",
    ]


@pytest.mark.parametrize(
    ("modality", "counted", "units"),
    [("image", "", "images"), ("sound", "", "sounds"),
     ("image", "left-out domains", "left-out domains")],
)  # fmt: skip
def test_an_open_verdict_asks_for_more_of_what_was_counted(
    make_record: MakeRecord, modality: str, counted: str, units: str
) -> None:
    record = make_record(modality=modality)
    verdict = replace(record.verdict, decision=Decision.INCONCLUSIVE, units=counted)
    material = Material(replace(record, verdict=verdict))
    assert f"These {units} cannot tell; more of them would." in _text(cover(material))
    assert verdict.test is not None
    assert f", {verdict.test.n} {units}<" in verdict_section(material)


def test_where_transfer_hurts_the_baseline_is_named(make_record: MakeRecord) -> None:
    record = make_record()
    verdict = replace(record.verdict, decision=Decision.NEGATIVE, returned="baseline")
    lines = _text(cover(Material(replace(record, verdict=verdict)))).split()
    text = " ".join(lines)
    assert "What to transfer nothing tried and left out: alpha How classical pixels" in text
    assert "negative" in text
    assert text.endswith("returned: the baseline classical pixels.")


def test_without_labels_the_cover_names_the_trial_that_is_returned_and_not_the_finalist(
    make_record: MakeRecord, make_outcome: MakeOutcome
) -> None:
    plain = make_outcome(3, source="beta", strategy="source-probe", layers=FROZEN)
    adapted = make_outcome(4, source="alpha", strategy="mcc", layers=Layers(5, 3, 2))
    record = make_record(
        outcomes=(plain, adapted), finalist=adapted, provenance={"returned": "trial 3"}
    )
    verdict = replace(record.verdict, decision=Decision.UNVERIFIED, returned="baseline", test=None)
    text = " ".join(_text(cover(Material(replace(record, verdict=verdict)))).split())
    assert "What to transfer beta How source-probe stage 5, 5 copied, frozen When" in text


def test_nothing_from_outside_is_markup(make_record: MakeRecord) -> None:
    members = (Share(HOSTILE, HOSTILE, None, 1.0),)
    verdict = replace(make_record().verdict, sentence=HOSTILE)
    assert "<script" not in cover(Material(make_record(members=members, verdict=verdict)))


def test_at_most_eight_sections_are_open_and_the_others_fold_after_them(
    make_record: MakeRecord,
) -> None:
    assert len(OPEN) <= 8
    assert set(OPEN) <= {section.key for section in SECTIONS}
    material = Material(make_record())
    text = page(material, built(material)[0])
    sections = re.findall(r'<section id="([^"]+)".*?>\s*<(h2|details)', text)
    kinds = [kind for _, kind in sections]
    assert kinds == sorted(kinds, reverse=True)
    assert {key for key, kind in sections if kind == "h2"} <= set(OPEN)
    assert "details" in kinds


@pytest.mark.slow
def test_no_width_of_a_screen_needs_scrolling_sideways(
    make_record: MakeRecord, make_outcome: MakeOutcome, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium is installed")
    long = "convnextv2_nano.fcmae_ft_in22k_in1k_384_with_a_very_long_name"
    record = make_record(
        name="photos of my garden" * 5,
        members=(*MEMBERS, Share(long, "progressive", FROZEN, 0.1)),
        outcomes=tuple(make_outcome(i, source=long, reason="r" * 90) for i in range(12)),
    )
    material = Material(record)
    text = page(material, built(material)[0])
    opened = text.replace("<details>", "<details open>")
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(content)}"></iframe>'
        for width in WIDTHS
        for content in (text, opened)
    )
    script = (
        "onload=()=>{document.title=[...document.querySelectorAll('iframe')].map(f=>"
        "f.contentDocument.documentElement.scrollWidth+'/'+f.clientWidth).join(' ')}"
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<script>{script}</script>{frames}", encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'browser'}"
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", profile,
         "--virtual-time-budget=5000", outer.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r"<title>([^<]+)</title>", done.stdout)
    assert found, done.stdout[:500]
    measured = [tuple(map(int, pair.split("/"))) for pair in found.group(1).split()]
    assert len(measured) == 2 * len(WIDTHS)
    for needed, given in measured:
        assert needed <= given, found.group(1)
