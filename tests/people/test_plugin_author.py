"""An author of a plugin: a new package, its tests, a check, a fit with it, and one mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import write_bars, write_catalogue
from tests.people.terminal import COLUMNS, draw, run_in_terminal

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

ONE_PIECE = ("next: ", "autotransfer: ")  # a command to copy, and an error of one line
FILE = "autotransfer-cosine/autotransfer_cosine.py"


def test_an_author_has_a_tested_plugin_in_a_fit_and_is_told_of_a_mistake_once(
    tmp_path: Path, pictures: Path
) -> None:
    write_bars(tmp_path / "bars.npz")
    write_catalogue(tmp_path / "sources")
    new = run_in_terminal(["autotransfer", "plugins", "--new", "cosine"], tmp_path)
    assert new.code == 0, new.text
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"],
        cwd=tmp_path / "autotransfer-cosine", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    check = run_in_terminal(
        ["autotransfer", "plugins", "--plugin", FILE, "--check", "cosine"], tmp_path
    )
    assert check.code == 0, check.text
    fit = run_in_terminal(
        ["autotransfer", "fit", "bars.npz", "--sources", "sources/catalogue.toml", "--plugin",
         FILE, "--strategy", "cosine", "--trials", "2"],
        tmp_path,
    )  # fmt: skip
    assert fit.code == 0, fit.text
    assert "| cosine (" in fit.text
    module = tmp_path / FILE
    right = module.read_text(encoding="utf-8")
    module.write_text(right.replace("return heads.HeadPredictor(head, stage)", "return head"))
    wrong = run_in_terminal(
        ["autotransfer", "plugins", "--plugin", FILE, "--check", "cosine"], tmp_path
    )
    module.write_text(
        right.replace("def autotransfer_strategies():", "def autotransfer_strategy():")
    )
    misspelt = run_in_terminal(
        ["autotransfer", "plugins", "--plugin", FILE, "--check", "cosine"], tmp_path
    )
    page = tmp_path / "empty.html"
    page.write_text("<!doctype html>", encoding="utf-8")
    with Browser(page, tmp_path) as browser:
        draw([new, check], browser, pictures / "author-1-new.png")
        draw([fit], browser, pictures / "author-2-fit.png")
        draw([wrong, misspelt], browser, pictures / "author-3-mistakes.png")
    for shown in (wrong, misspelt):
        assert shown.code == 2, shown.text
        assert "Traceback" not in shown.text
    for shown in (new, check, fit, wrong, misspelt):
        wide = [line for line in shown.lines if len(line) > COLUMNS]
        assert all(line.startswith(ONE_PIECE) for line in wide), wide
    assert wrong.text.count("found: ") == 1
    assert "fit() returned a LinearHead, which is no Predictor" in wrong.text
    assert "by 1 cause(s)" in wrong.text
    assert "known: autotransfer_strategies" in misspelt.text
