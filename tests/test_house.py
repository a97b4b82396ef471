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
    "results": 1,
    "data": 2,
    "models": 3,
    "plugin": 4,
    "transferability": 5,
    "similarity": 5,
    "ranking": 6,
    "search": 6,
    "executors": 6,
    "guard": 6,
    "saved_predictor": 6,
    "workspace": 6,
    "described": 6,
    "export": 6,
    "tracking": 6,
    "report": 6,
    "validators": 6,
    "selection": 7,
    "options": 7,
    "preparing": 7,
    "domains": 7,
    "clock": 7,
    "comparing": 7,
    "recording": 7,
    "reporting": 7,
    "rejecting": 7,
    "unguarded": 7,
    "classifier": 7,
    "doctor": 7,
    "finishing": 7,
    "guarding": 7,
    "sourcing": 7,
    "candidates": 7,
    "searching": 7,
    "layer_curve": 7,
    "describing": 7,
    "unlabelled": 7,
    "selector": 7,
    "syncing": 7,
    "serving": 8,
    "demo": 8,
    "cli": 8,
    "__main__": 8,
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
