"""The gallery shows what the commands say: four kinds of target, of today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.blocks import DOCS, blocks

PAGE = DOCS / "gallery.md"


def _writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "write_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_of_four_targets_is_shown_with_its_verdict() -> None:
    shown = [block.text for block in blocks(PAGE) if block.language == "console"]
    assert len(shown) == 4
    for text in shown:
        assert text.startswith("$ autotransfer fit ")
        assert re.search(r"^verdict: (positive|negative|neutral|inconclusive|unverified)$", text,
                         flags=re.MULTILINE)  # fmt: skip
        assert max(map(len, text.splitlines()[1:])) <= 100


def test_only_the_blocks_of_fits_are_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = _writer()
    monkeypatch.setattr(writer, "said", lambda command, _folder: f"said of {command.split()[2]}")
    page = "a\n```console\n$ autotransfer fit x/ --trials 1\nold\n```\nb\n"
    assert writer.with_outputs(page, Path()) == page.replace("old", "said of x/")
    assert writer.with_outputs(page, Path(), only="y/") == page


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_a_fit_of_features_says_today_what_the_page_shows(tmp_path: Path) -> None:
    writer, page = _writer(), PAGE.read_text(encoding="utf-8")
    writer.make(tmp_path)
    found = writer.with_outputs(page, tmp_path, only="features.npz")
    assert found == page, "run: python docs/write_gallery.py"
