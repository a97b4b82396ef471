"""The gallery shows what the commands say: four kinds of target, of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, blocks, writer

PAGE = DOCS / "gallery.md"


def test_each_of_four_targets_is_shown_with_its_verdict() -> None:
    shown = [block.text for block in blocks(PAGE) if block.language == "console"]
    assert len(shown) == 4
    for text in shown:
        assert text.startswith("$ autotransfer fit ")
        assert re.search(r"^verdict: (positive|negative|neutral|inconclusive|unverified)$", text,
                         flags=re.MULTILINE)  # fmt: skip
        assert max(map(len, text.splitlines()[1:])) <= 100


def test_only_the_blocks_of_fits_are_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    module = writer("write_gallery")
    monkeypatch.setattr(module, "said", lambda command, _folder: f"said of {command.split()[2]}")
    page = "a\n```console\n$ autotransfer fit x/ --trials 1\nold\n```\nb\n"
    assert module.with_outputs(page, Path()) == page.replace("old", "said of x/")
    assert module.with_outputs(page, Path(), only="y/") == page


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_a_fit_of_features_says_today_what_the_page_shows(tmp_path: Path) -> None:
    module, page = writer("write_gallery"), PAGE.read_text(encoding="utf-8")
    module.make(tmp_path)
    found = module.with_outputs(page, tmp_path, only="features.npz")
    assert found == page, "run: python docs/write_gallery.py"
