"""Both READMEs say the same: blocks to the letter, sections and links one by one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.blocks import ROOT, blocks

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh.md"


def _links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in found if not link.startswith("README")]


def test_both_have_the_same_code_blocks() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_both_have_as_many_sections_paragraphs_and_points() -> None:
    def shape(page: Path) -> dict[str, int]:
        text = page.read_text(encoding="utf-8")
        return {
            mark: len(re.findall(rf"^{mark}", text, flags=re.MULTILINE))
            for mark in ("## ", "- ", "!\\[")
        }

    assert shape(CHINESE) == shape(ENGLISH)


def test_both_lead_to_the_same_pages_in_the_same_order() -> None:
    assert _links(CHINESE) == _links(ENGLISH)


def test_each_leads_to_the_other() -> None:
    assert "(README.zh.md)" in ENGLISH.read_text(encoding="utf-8")
    assert "(README.md)" in CHINESE.read_text(encoding="utf-8")


def test_both_name_the_same_options_and_names_in_their_text() -> None:
    def spans(page: Path) -> set[str]:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
        return {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)}

    assert spans(CHINESE) == spans(ENGLISH)
