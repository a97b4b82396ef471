"""The site is built from the repository without a warning, and needs no network to be read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.blocks import DOCS
from tests.end_to_end.browser import Browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, DOCS, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def _pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        if not {"examples", "_build"} & set(page.parts) and page.name != "index.md":
            assert f'href="{page.relative_to(DOCS).with_suffix(".html")}"' in index, page


def test_internal_links_lead_to_pages_and_places_that_are_there(site: Path) -> None:
    for page in _pages(site):
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, place = unquote(link).partition("#")
            target = (page.parent / path) if path else page
            assert target.exists(), f"{page.name}: {link}"
            if place and target.suffix == ".html":
                assert f'id="{place}"' in target.read_text(encoding="utf-8"), (page.name, link)


def test_nothing_is_fetched_to_read_the_site(site: Path) -> None:
    loading = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]+"')
    for page in _pages(site):
        assert not loading.findall(page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        remote = re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", sheet.read_text("utf-8"))
        assert not remote, sheet.name


def test_the_reference_is_written_from_the_docstrings(site: Path) -> None:
    page = (site / "reference" / "plugins.html").read_text(encoding="utf-8")
    assert 'id="autotransfer.plugin.Strategy.fit"' in page
    assert "Return a predictor trained on" in page


@pytest.mark.nightly
def test_no_page_scrolls_sideways_on_a_phone_a_tablet_or_a_screen(
    site: Path, tmp_path: Path
) -> None:
    wide, grounds = [], set()
    with Browser(site / "index.html", tmp_path) as browser:
        for page in _pages(site):
            browser.open(page)
            for width in (390, 768, 1440):
                for scheme in ("light", "dark"):
                    browser.look(width, scheme)
                    assert browser.value("innerWidth") == width
                    needed = browser.value("document.documentElement.scrollWidth")
                    grounds.add(
                        (scheme, browser.value("getComputedStyle(document.body).backgroundColor"))
                    )
                    if needed > width:
                        wide.append(f"{page.relative_to(site)} at {width}: {needed}")
    assert wide == []
    assert len({ground for _, ground in grounds}) > 1  # light is not dark
