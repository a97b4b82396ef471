"""The plugin API: ours, the guide and the example import from `autotransfer.plugin` alone."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from autotransfer import hookimpl, plugin

ROOT = Path(__file__).resolve().parents[2]
MOST_NAMES = 30
API, TESTING = "autotransfer.plugin", "autotransfer.plugin.testing"
PLUGINS = [
    path
    for folder in ("plugins", "search_spaces", "docs/examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PAGES = [ROOT / "docs" / "plugin-guide.md", ROOT / "docs" / "reference" / "plugins.md"]
REFERENCE = PAGES[1].read_text(encoding="utf-8")
MODULES = [name for name in plugin.__all__ if isinstance(getattr(plugin, name), ModuleType)]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _strangers(code: str) -> list[str]:
    """Return what code imports from the package past the plugin API."""
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "autotransfer"]
        elif isinstance(node, ast.ImportFrom):
            module, names = node.module or "", [alias.name for alias in node.names]
            if module == API:
                found += [f"{API}.{name}" for name in names if name not in plugin.__all__]
            elif module == TESTING:
                testing = importlib.import_module(TESTING)
                found += [f"{TESTING}.{name}" for name in names if name not in testing.__all__]
            elif module.split(".")[0] == "autotransfer":
                found.append(module)
    return found


@pytest.mark.parametrize("path", PLUGINS, ids=_name)
def test_a_plugin_imports_from_the_plugin_api_alone(path: Path) -> None:
    assert not _strangers(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_pages_for_plugin_authors_name_the_plugin_api_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert not _strangers(block)
    assert set(re.findall(r"(?<![\w-])autotransfer\.(\w+)", text)) == {"plugin"}


@pytest.mark.parametrize(
    "code",
    [
        "import autotransfer.models.heads",
        "from autotransfer import hookimpl",
        "from autotransfer.results import Json",
        "from autotransfer.plugin import registry",
        "from autotransfer.plugin.space import SearchSpace",
        "from autotransfer.plugin.testing import promises",
        "def late():\n    from autotransfer.models.training import train",
    ],
)
def test_another_way_in_is_found(code: str) -> None:
    assert _strangers(code)


def test_the_plugin_api_has_at_most_thirty_names() -> None:
    assert len(set(plugin.__all__)) == len(plugin.__all__) <= MOST_NAMES


@pytest.mark.parametrize("name", plugin.__all__)
def test_each_name_is_there_and_in_the_reference(name: str) -> None:
    assert getattr(plugin, name) is not None
    assert name in dir(plugin)
    kind = "automodule" if name in MODULES else "(?:autoclass|py:data)"
    assert re.search(rf"^\.\. {kind}:: autotransfer\.plugin\.{name}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_the_plugin_api_has_all_that_it_says(name: str) -> None:
    module = getattr(plugin, name)
    assert len(set(module.__all__)) == len(module.__all__) > 0
    for inner in module.__all__:
        assert getattr(module, inner) is not None


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"'autotransfer\.plugin' has no attribute 'nothing'"):
        plugin.nothing  # type: ignore[attr-defined]  # noqa: B018 - the access is the test


def test_the_package_offers_the_same_mark_for_hooks() -> None:
    assert hookimpl is plugin.hookimpl


def test_the_plugin_api_loads_nothing_heavy_before_it_is_used() -> None:
    code = (
        "import sys\n"
        "from autotransfer.plugin import hookimpl\n"
        "heavy = {'torch', 'timm', 'mlflow', 'optuna', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
