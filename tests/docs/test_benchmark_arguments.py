"""Every argument that a benchmark reads is one that it takes: else it cannot run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(
    path for path in BENCHMARKS.glob("*.py") if "ArgumentParser(" in path.read_text("utf-8")
)


def _taken(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):  # an argument for each
            yield from (str(e.value) for e in node.iter.elts if isinstance(e, ast.Constant))
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("add_argument", "add_subparsers"):
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
            names += [
                k.value.value
                for k in node.keywords
                if k.arg == "dest" and isinstance(k.value, ast.Constant)
            ]
            yield from (str(name).lstrip("-").replace("-", "_") for name in names)
        if node.func.attr == "set_defaults":
            yield from (k.arg for k in node.keywords if k.arg)


def _read(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes of parsed arguments, function by function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        holders = set(_namespaces(function))
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in holders:
                    yield attr


def _namespaces(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the names of variables that hold parsed arguments."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and "Namespace" in ast.dump(node.annotation or node):
            yield node.arg
        if isinstance(node, ast.Assign) and "parse_args" in ast.dump(node.value):
            yield from (t.id for t in node.targets if isinstance(t, ast.Name))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_reads_no_argument_that_it_does_not_take(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    taken, read = set(_taken(tree)), set(_read(tree))
    assert read <= taken, f"{path.name} reads {sorted(read - taken)}, which it does not take"
    assert read
