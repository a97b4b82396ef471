"""The commands and Python blocks of the pages run, on tiny data and with one trial."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autotransfer
from autotransfer.cli import run
from tests.docs.blocks import PAGES, Block, blocks, name_of
from tests.docs.conftest import brief_fits, write_pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# what is parsed alone (test_blocks.py), and why
NOT_RUN = {
    "--executor ray": "a cluster; tests/end_to_end/test_ray.py starts one",
    "postgresql://": "a database server",
    "http://": "a tracking server; tests/end_to_end/test_tracking_server.py starts one",
    "--sources tiny": "weights from a hub",
    "labels-1.csv": "a table that a person fills in; tests/end_to_end/test_label.py does",
    "--class ants": "other classes than those drawn here",
    "audit.csv": "a table that a person fills in; tests/end_to_end/test_unlabelled.py does",
    "autotransfer demo": "a minute; `make demo` runs it",
    "--source NAME": "a placeholder",
    "--domain-column": "folders by domain; tests/end_to_end/test_domains.py has some",
    "domains=hospitals": "arrays with domains; the same",
    "digits/": "images that docs/write_gallery.py makes; it runs these, and writes what they say",
    "features.npz": "the same",
    "autotransfer ui": "serves until Ctrl-C; tests/end_to_end/test_kit_python.py looks at it",
    "autotransfer export": "on so few drawings a baseline may be returned that reads pixels alone",
}
# without labels: the strategies that train nothing, without the small network
FROZEN = " --strategy default-probe"
CHEAP_ADAPTATION = (
    " --strategy source-probe --strategy feature-coral"
    " --source my-network --source another-network"
)
NEEDS_SOURCES = ("fit", "label", "rank", "distance", "layers", "sources")
AT_NIGHT = ("tiny-data.md", "unlabelled.md", "own-images.md")  # much like others
RUNNABLE = [
    page
    for page in PAGES
    if any(block.language in ("python", "console", "bash") for block in blocks(page))
    and page.name != "README.zh.md"  # its blocks are those of README.md
    and page.name
    # networks of megabytes and series of a plugin; end_to_end has small ones
    not in ("sound.md", "text.md", "new-items.md")
    and "examples" not in page.parts  # tests/packaging runs its commands
]


@pytest.fixture(autouse=True)
def small_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit in a Python block has the tiny sources and one trial."""
    whole: Callable[..., Any] = autotransfer.fit
    brief_fits(monkeypatch)

    def fit(target: str, **options: Any) -> Any:
        ours = {"trials": 1, "seconds": None, "budget": None, "verbose": False}
        return whole(target, **{"sources": "catalogue.toml", **options, **ours})

    monkeypatch.setattr(autotransfer, "fit", fit, raising=False)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=[pytest.mark.nightly] * (page.name in AT_NIGHT))
        for page in RUNNABLE
    ],
)
def test_the_blocks_of_a_page_run(page: Path, demo: Path, fitted: Path) -> None:
    if page.name == "unlabelled.md":  # its target has no labels
        shutil.rmtree(demo / "photos")
        write_pictures(demo / "photos", 0, flat=True)
    names: dict[str, object] = {}
    for block in blocks(page):
        _forget_plugins()
        left = ("labels-1.csv", "domains=hospitals")
        if block.language == "python" and not any(part in block.text for part in left):
            exec(compile(block.text, name_of(page), "exec"), names)  # noqa: S102 - our own pages
        elif block.language in ("console", "bash"):
            _run_all(block, demo, fitted)
    _forget_plugins()


def _run_all(block: Block, demo: Path, fitted: Path) -> None:
    for words in block.commands():
        line = " ".join(words)
        if words[0] != "autotransfer" or any(part in line for part in NOT_RUN):
            continue
        for name in re.findall(r"\bphotos-\d\b", line):
            if not (demo / name).exists():
                shutil.copytree(fitted, demo / name)
        assert run(_small(words[1:])) == 0, line


def _small(words: list[str]) -> list[str]:
    """Return the command with tiny sources and one trial, or two to compare without labels."""
    line = re.sub(r" --(trials|seconds|budget) \S+", "", " ".join(words))
    command = line.split(" ", 1)[0]
    flat = command == "fit" and _is_flat(Path(words[1]))
    if command == "fit" and not flat and not re.search("--(strategy|attributes|resume)", line):
        line += FROZEN
    if flat:
        line = line.replace(" --sources small_cnn", "") + CHEAP_ADAPTATION
    if command in NEEDS_SOURCES and "--sources" not in line:
        line += " --sources catalogue.toml"
    if command == "fit":
        line += " --trials 2" if flat else " --trials 1"
    return line.split()


def _is_flat(target: Path) -> bool:
    """Return whether the images of a target have no labels."""
    return not any(item.is_dir() for item in target.iterdir())


def _forget_plugins() -> None:
    for name in ("nearest_mean", "more_parts"):
        sys.modules.pop(name, None)
