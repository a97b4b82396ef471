"""The shape of the house: imports run downwards, plugins use public names, tests mirror."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Layer of each room; a module imports only from its own layer or below.
LAYERS = {
    "errors": 0,
    "problem": 1,
    "space": 1,
    "presets": 1,
    "single_thread": 1,
    "data": 2,
    "weights": 2,
    "heads": 2,
    "hub": 2,
    "cutting": 2,
    "folding": 2,
    "halving": 2,
    "domain_statistics": 2,
    "small_network": 2,
    "backbone": 2,
    "training": 2,
    "strategy": 2,
    "predictors": 2,
    "fusion": 2,
    "conservation": 2,
    "results": 2,
    "transferability": 2,
    "similarity": 2,
    "hookspecs": 2,
    "builtin": 3,
    "registry": 3,
    "catalogue": 3,
    "feature_store": 3,
    "features": 3,
    "ranking": 4,
    "evaluation": 4,
    "search": 4,
    "executors": 4,
    "guard": 4,
    "ensemble": 4,
    "saved_predictor": 4,
    "rejection": 4,
    "workspace": 4,
    "matrices": 4,
    "described": 4,
    "export": 4,
    "tracking": 4,
    "report": 4,
    "validators": 4,
    "selection": 5,
    "options": 5,
    "preparing": 5,
    "domains": 5,
    "clock": 5,
    "comparing": 5,
    "recording": 5,
    "reporting": 5,
    "dividing": 5,
    "lineage": 5,
    "rejecting": 5,
    "unguarded": 5,
    "classifier": 5,
    "doctor": 5,
    "finishing": 5,
    "guarding": 5,
    "sourcing": 5,
    "candidates": 5,
    "searching": 5,
    "layer_curve": 5,
    "describing": 5,
    "unlabelled": 5,
    "selector": 5,
    "syncing": 5,
    "serving": 6,
    "demo": 6,
    "cli": 6,
    "__main__": 6,
    "testing": 6,
}
MODULES = sorted((ROOT / "autotransfer").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


def _room(path: Path) -> str:
    first = path.relative_to(ROOT / "autotransfer").parts[0]
    return first.removesuffix(".py")


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports(path: Path) -> list[str]:
    """Return the modules that a file imports when it runs (type-checking blocks left out)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if _is_module(name)]
            found += modules if len(modules) == len(inner) else [node.module, *modules]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_own_layer_or_below(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "autotransfer" and len(parts) > 1:
            assert LAYERS[parts[1]] <= LAYERS[room], f"{path.name} imports {name}"


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    graph = {
        name: {target for target in _imports(path) if target in names and target != name}
        for name, path in names.items()
    }
    graph["autotransfer"] = set()  # it opens its rooms lazily
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_names_no_plugin(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for plugin in (ROOT / "plugins").iterdir():
        assert plugin.stem == "__pycache__" or plugin.stem not in text


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autotransfer"):
            assert all(not alias.name.startswith("_") for alias in node.names)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, autotransfer.cli\n"
        "autotransfer.cli.run(['--help'])\n"
        "for name in autotransfer.cli.cli.commands: autotransfer.cli.run([name, '--help'])\n"
        "heavy = {'torch', 'timm', 'mlflow', 'optuna', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
