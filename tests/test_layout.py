"""The layout of the package: imports run one way, and the core names no plugin."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import autotransfer

ROOT = Path(__file__).resolve().parents[1]
# A folder imports from those before it, never from one after it.
ORDER = (
    "masking",
    "errors",
    "forecasts",
    "domain_results",
    "ranking_results",
    "zero_shot_results",
    "results",
    "shares",
    "data",
    "models",
    "plugin",
    "transferability",
    "search",
    "tracking",
    "report",
    "guard",
    "scenarios",
    "selection",
    "orchestrator",
    "inspection",
    "labelling",
    "sklearn",
    "cli",
    "__main__",
)
MODULES = sorted((ROOT / "autotransfer").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


def _folder(path: Path) -> str:
    first = path.relative_to(ROOT / "autotransfer").parts[0]
    return first.removesuffix(".py")


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports(path: Path, *, at_once: bool = False) -> list[str]:
    """Return the modules that a file imports, those for its types alone among them.

    Args:
        at_once: Whether only those that come with the file itself.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[str] = []
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if _is_module(name)]
            found += modules if len(modules) == len(inner) else [node.module, *modules]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_only_from_those_before_it(path: Path) -> None:
    folder = _folder(path)
    if folder == "__init__":
        return
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "autotransfer" and len(parts) > 1:
            later = ORDER.index(parts[1]) > ORDER.index(folder)
            assert not later, f"{path.relative_to(ROOT)} imports {name}"


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    graph = {
        name: {target for target in _imports(path) if target in names and target != name}
        for name, path in names.items()
    }
    graph["autotransfer"] = set()  # it imports lazily
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


DRIVER = [path for path in MODULES if _folder(path) in ("scenarios", "search")]


@pytest.mark.parametrize("path", DRIVER, ids=lambda path: str(path.relative_to(ROOT)))
def test_scenarios_and_search_name_no_kind_of_items(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Modality"
        assert not named, f"{path.relative_to(ROOT)}, line {node.lineno}"  # type: ignore[attr-defined]
    for name in _imports(path):
        assert not {"texts", "sounds"} & set(name.split(".")), name


@pytest.mark.parametrize("path", MODULES + PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_takes_five_positional_arguments_at_most_and_a_file_350_lines(
    path: Path,
) -> None:
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            given = [*node.args.posonlyargs, *node.args.args]
            names = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
            assert len(names) <= 5, f"{node.name}({', '.join(names)})"
    most = 250 if path.name == "orchestrator.py" else 350
    assert len(text.splitlines()) <= most


def test_no_module_hides_a_public_function() -> None:
    """Importing a module sets its name in the package, over a function of that name."""
    modules = {module.name for module in pkgutil.iter_modules(autotransfer.__path__)}
    assert {"orchestrator", "errors"} <= modules
    assert not modules & set(autotransfer.__all__)
    for name in autotransfer.__all__:
        assert callable(getattr(autotransfer, name)), name


def test_mlflow_is_imported_where_a_fit_begins_or_a_model_is_served_alone() -> None:
    """It takes seconds, which ranking, predicting and an error should not wait for."""
    allowed = {"tracking", "selection"}
    begun = {"autotransfer.tracking.tracker", "autotransfer.tracking.registered"}
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    seen: set[str] = set()
    waiting = ["autotransfer.orchestrator", "autotransfer.selection.selection"]
    while waiting:
        name = waiting.pop()
        if name in names and name not in seen:
            seen.add(name)
            waiting += _imports(names[name], at_once=True)
            waiting += [name.rpartition(".")[0]]
        assert not name.startswith("mlflow"), "imported by one of " + ", ".join(sorted(seen))
    assert not begun & seen
    users = {_folder(p) for p in MODULES if any(n.startswith("mlflow") for n in _imports(p))}
    assert users <= allowed


HEAVY = ("timm", "torchvision", "torch._dynamo", "pandas", "pyarrow", "sklearn", "scipy.stats",
         "matplotlib", "mlflow")  # fmt: skip


def test_nothing_is_imported_that_a_fit_of_cached_features_could_do_without() -> None:
    """Together these take as long as PyTorch; each is imported where it is used."""
    code = (
        "import sys, autotransfer.orchestrator\n"
        "from autotransfer.scenarios.inputs import discover_plugins\n"
        "from autotransfer.scenarios.options import read_options\n"
        "discover_plugins(read_options({}))\n"
        f"heavy = set({HEAVY}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


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
