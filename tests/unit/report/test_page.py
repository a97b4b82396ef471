from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup
from typing_extensions import override

from autotransfer.data.target import open_target
from autotransfer.report import Material, Predicted, report_faults
from autotransfer.report.material import Rejected
from autotransfer.report.page import NO_TIME, SECTIONS, Section, built, page
from autotransfer.results import RankedSource, Ranking, Skipped
from tests.unit.report.test_more_labels import FORECAST

Make = Callable[..., Any]
HOSTILE = "a\"b'<script>alert(1)</script>&amp;$x^2$"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Balanced(HTMLParser):
    """Collects the open elements, the tags and the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.addresses += [v or "" for a, v in attrs if a in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def material(make_record: Make, make_outcome: Make) -> Material:
    """A whole fit whose every name is hostile."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    images = open_target((pixels, [HOSTILE, "蜜蜂"] * 20)).train
    probabilities = rng.dirichlet([1, 1], 40)
    tested = Predicted("the finalist", "out-of-fold", images, probabilities, probabilities**2)
    outcomes = tuple(
        make_outcome(i - 2, source=HOSTILE, strategy=HOSTILE, value=0.5 + i / 10, elapsed=i + 1.0,
                     params={HOSTILE: HOSTILE}, reason=HOSTILE)
        for i in range(4)
    )  # fmt: skip
    row = RankedSource(HOSTILE, 1, 1, 1, 1.0, 1, {HOSTILE: 1.0}, 1.0, 1.0, 40, (0.4, 0.5))
    record = make_record(
        name=HOSTILE,
        class_names=images.class_names,
        finalist=outcomes[-1],
        outcomes=outcomes,
        ranking=Ranking((row,), (HOSTILE,), HOSTILE),
        skipped=(Skipped(HOSTILE, HOSTILE, HOSTILE),),
        warnings=(HOSTILE,),
        provenance={"source.origin": HOSTILE},
        forecast=FORECAST,
    )
    record = replace(record, verdict=replace(record.verdict, sentence=HOSTILE, remarks=(HOSTILE,)))
    return Material(
        record,
        images={"training images": images.subset(np.arange(20)), "more": images},
        tested=lambda: tested,
        checked=lambda: tested,
        unlabelled="more",
        predict=lambda images: probabilities[: len(images)],
        features=lambda images: rng.normal(size=(len(images), 4)),
        embeddings={HOSTILE: lambda images: rng.normal(size=(len(images), 4))},
        domains={HOSTILE: images, "other": images},
        rejected=lambda: Rejected(images, rng.normal(size=(len(images), 4)), np.ones(len(images))),
    )


def test_no_name_becomes_markup_and_every_element_is_closed(material: Material) -> None:
    bodies, faults = built(material)
    assert faults == ()
    text = page(material, bodies)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "script" not in parser.tags
    assert "&lt;script&gt;alert(1)" in text
    assert "蜜蜂" in text
    assert len(parser.ids) == len(set(parser.ids))


def test_the_page_needs_nothing_from_elsewhere(material: Material) -> None:
    bodies, _ = built(material)
    parser = Balanced()
    text = page(material, bodies)
    parser.feed(text)
    within = ("#", "data:image/jpeg;base64,", "data:text/csv;base64,")
    assert all(a.startswith(within) for a in parser.addresses)
    assert not re.search(r"@import|url\((?!#)", text)
    assert '<meta name="viewport"' in text
    assert "prefers-color-scheme: dark" in text


def test_every_section_but_those_of_other_settings_is_there(material: Material) -> None:
    bodies, _ = built(material)
    missing = {section.key for section in SECTIONS} - set(bodies)
    assert missing == {"zero-shot", "validators"}
    assert list(bodies) == [section.key for section in SECTIONS if section.key in bodies]


def test_every_figure_and_picture_has_words(material: Material) -> None:
    bodies, _ = built(material)
    text = page(material, bodies)
    assert text.count("<svg") == text.count('role="img" aria-label=')
    assert text.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]+"', text))
    assert text.count("<svg") >= 6


def test_a_fault_in_a_section_is_named_and_the_others_stay(material: Material) -> None:
    def broken(_material: Material) -> Markup:
        raise ValueError("no <luck>")

    sections = (Section("broken", "Broken", broken), SECTIONS[0])
    bodies, faults = built(material, sections=sections)
    assert "could not be made (ValueError: no &lt;luck&gt;)" in bodies["broken"]
    assert "verdict" in bodies
    assert faults == ("the report has no section 'Broken' (ValueError: no <luck>)",)


def test_after_the_deadline_only_what_costs_nothing_is_made(material: Material) -> None:
    bodies, faults = built(material, time.monotonic() - 1)
    assert faults == ()
    costly = {section.key for section in SECTIONS if section.turn}
    assert all(NO_TIME in bodies[key] for key in costly)
    assert all(NO_TIME not in bodies[key] for key in set(bodies) - costly)


def test_a_section_that_goes_on_is_ended_at_the_deadline(material: Material) -> None:
    def endless(_material: Material) -> Markup:
        time.sleep(30)
        raise AssertionError("nobody ended it")

    began = time.monotonic()
    bodies, _ = built(material, began + 2.2, (Section("slow", "Slow", endless, 1),))
    assert time.monotonic() - began < 10
    assert NO_TIME in bodies["slow"]


def test_the_report_is_written_whole(material: Material, tmp_path: Path) -> None:
    assert report_faults(tmp_path, material.record, lambda _: material) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
