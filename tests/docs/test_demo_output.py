"""The front page shows what the demo says: in both languages and in the picture, of today."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT, writer

PICTURE = DOCS / "images" / "demo.svg"


def _shown(readme: Path) -> list[str]:
    text = readme.read_text(encoding="utf-8")
    found = re.search(r"```console\n\$ autotransfer demo\n(.*?)\n```", text, re.DOTALL)
    assert found
    return found.group(1).splitlines()


def test_the_picture_shows_the_words_of_the_front_page() -> None:
    drawn = re.sub(r"<[^>]+>", "\n", html.unescape(PICTURE.read_text("utf-8")))
    words = set(drawn.replace("\N{NO-BREAK SPACE}", " ").split())
    for readme in (ROOT / "README.md", ROOT / "README.zh.md"):
        lines = _shown(readme)
        assert lines[0] == "verdict: positive"
        assert {word for line in lines for word in line.split()} <= words
        assert max(map(len, lines)) <= 84


def test_the_picture_asks_for_nothing_from_outside() -> None:
    assert not re.search(r"(href|src|url)\W+https?:", PICTURE.read_text("utf-8"))


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_the_demo_says_today_what_the_front_page_shows(tmp_path: Path) -> None:
    module = writer("write_demo_output")
    record = module.demo_record(tmp_path / "demo")
    for readme in module.READMES:
        page = readme.read_text(encoding="utf-8")
        assert module.with_output(page, record) == page, "run: python docs/write_demo_output.py"
    assert module.picture(record) == PICTURE.read_text(encoding="utf-8")
