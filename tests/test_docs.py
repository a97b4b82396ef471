"""The documents say what is there: names, hooks and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import autotransfer
from autotransfer.plugin import hookspecs

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", autotransfer.__all__)
def test_every_public_name_can_be_had_and_is_in_the_documents(name: str) -> None:
    assert getattr(autotransfer, name) is not None
    assert re.search(rf"\b{name}\b", TEXT)


@pytest.mark.parametrize("hook", [n for n in dir(hookspecs) if n.startswith("autotransfer_")])
def test_every_hook_is_in_the_plugin_guide(hook: str) -> None:
    assert hook in (ROOT / "docs" / "plugin-guide.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_folder_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [
        path.stem
        for path in (ROOT / "autotransfer").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
        if path.stem not in ("__init__", "__main__")
    ]
    missing = [f for f in folders if f"`{f}`" not in text and f"`{f}/`" not in text]
    assert not missing
