"""A newcomer with photos from a phone: no file is edited, two commands, the verdict is read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.browser import Browser
from tests.people.phone import FOLDERS, mac_zip
from tests.people.terminal import COLUMNS, Shown, draw, run_in_terminal

pytestmark = [pytest.mark.kit, pytest.mark.nightly, pytest.mark.timeout(900)]

PER_CLASS = 30
MINUTES = 10


@pytest.fixture
def album(kit: Path, tmp_path: Path) -> Path:
    """The zip with thirty photos of each of three flowers."""
    photos: dict[str, list[bytes]] = {flower: [] for flower in FOLDERS}
    with zipfile.ZipFile(kit / "data" / "flowers5.zip") as flowers:
        for name in flowers.namelist():
            split, _, flower = name.rpartition("/")[0].rpartition("/")
            if split == "train" and len(photos.get(flower, [0] * PER_CLASS)) < PER_CLASS:
                photos[flower].append(flowers.read(name))
    archive = tmp_path / "Blumen 2024 花.zip"
    assert mac_zip(archive, photos) == PER_CLASS * len(FOLDERS)
    return archive


def test_a_newcomer_reads_the_verdict_on_a_phones_photos_after_two_commands(
    kit: Path, album: Path, tmp_path: Path, pictures: Path
) -> None:
    weights = kit / "weights"
    fit = run_in_terminal(
        ["autotransfer", "fit", album.name, "--sources", str(weights / "catalogue.toml"),
         "--plugin", str(weights / "timm_extra.py"), "--budget", "4m"],
        tmp_path,
    )  # fmt: skip
    assert fit.code == 0, fit.text
    show = run_in_terminal(["autotransfer", "show", "Blumen 2024 花-1"], tmp_path)
    assert show.code == 0, show.text
    report = tmp_path / "Blumen 2024 花-1" / "report.html"
    with Browser(report, tmp_path) as browser:
        for width in (390, 1440):
            browser.look(width, "light")
            browser.picture(pictures / f"newcomer-report-{width}.png")
        draw([fit], browser, pictures / "newcomer-fit.png")
        draw([show], browser, pictures / "newcomer-show.png")
    assert fit.seconds + show.seconds < MINUTES * 60
    assert fit.first < 5
    for shown in (fit, show):
        _is_readable(shown)
    assert "  90 images of 3 classes" in fit.lines
    assert "2 file(s) that are not images were ignored (.mov 1, .aae 1)" in _joined(fit)
    assert "next: autotransfer predict 'Blumen 2024 花-1' IMAGES" in fit.lines
    text = report.read_text(encoding="utf-8")
    assert all(folder in text for folder in FOLDERS.values())


def _is_readable(shown: Shown) -> None:
    assert any(line.startswith("verdict: ") for line in shown.lines)
    assert [line for line in shown.lines if len(line) > COLUMNS] == []
    assert "Traceback" not in shown.text
    assert "Warning" not in shown.text


def _joined(shown: Shown) -> str:
    return " ".join(line.strip() for line in shown.lines)
