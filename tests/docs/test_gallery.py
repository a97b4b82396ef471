"""The gallery shows what the commands say: four kinds of target, of today."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from autotransfer.errors import AutotransferWarning
from tests.docs.blocks import DOCS, blocks, writer

PAGE = DOCS / "gallery.md"
TARGETS = ("digits/", "faint-digits/", "seven-digits/", "features.npz")


def test_each_of_four_targets_is_shown_with_its_verdict() -> None:
    shown = [block.text for block in blocks(PAGE) if block.language == "console"]
    assert len(shown) == len(TARGETS)
    for text, target in zip(shown, TARGETS, strict=True):
        assert text.startswith(f"$ autotransfer fit {target} ")
        assert re.search(r"^verdict: (positive|negative|neutral|inconclusive|unverified)$", text,
                         flags=re.MULTILINE)  # fmt: skip
        assert max(map(len, text.splitlines()[1:])) <= 100


def test_only_the_blocks_of_fits_are_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    module = writer("write_gallery")
    monkeypatch.setattr(module, "said", lambda command, _folder: f"said of {command.split()[2]}")
    page = "a\n```console\n$ autotransfer fit x/ --trials 1\nold\n```\nb\n"
    assert module.with_outputs(page, Path()) == page.replace("old", "said of x/")
    assert module.with_outputs(page, Path(), only="y/") == page


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources and the targets of the page."""
    folder = tmp_path_factory.mktemp("gallery")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AutotransferWarning)
        writer("write_gallery").make(folder)
    return folder


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_a_fit_says_today_what_the_page_shows(target: str, made: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = writer("write_gallery").with_outputs(page, made, only=f"fit {target}")
    assert found == page, "run: python docs/write_gallery.py"
