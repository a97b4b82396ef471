"""The list of mutations fits the sources: each can be made, and the tests that it names exist."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.mutations import ROOT, Mutation, functions_of, read_mutations

MUTATIONS = read_mutations()


@cache
def _functions(path: Path) -> frozenset[str]:
    return frozenset(functions_of(path))


def test_each_mutation_has_a_name_of_its_own() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) > 0


def test_each_old_text_is_there_once_and_the_new_one_is_still_python() -> None:
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        compile(mutation.applied(text), mutation.file, "exec")


def test_no_mutation_is_noticed_for_a_name_that_is_not_there(tmp_path: Path) -> None:
    """A cut wire has to be noticed by what it does, not by a NameError."""
    for number, mutation in enumerate(MUTATIONS):
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        (tmp_path / f"m{number}.py").write_text(mutation.applied(text), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_each_named_test_exists() -> None:
    for mutation in MUTATIONS:
        assert mutation.tests, mutation.name
        for test in mutation.tests:
            file, _, function = test.partition("::")
            assert function in _functions(ROOT / file), f"{mutation.name}: {test}"


@pytest.mark.parametrize("times", [0, 2])
def test_a_text_that_is_not_there_once_is_refused(times: int) -> None:
    mutation = Mutation("any", "any.py", "old", "new", ())
    with pytest.raises(ValueError, match=f"{times} times in any.py"):
        mutation.applied("old " * times)
