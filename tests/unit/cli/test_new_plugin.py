"""`plugins --new NAME` writes a package that keeps every promise as it is."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autotransfer.cli import run
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing.plugin_checks import check_named

MODULE = Path("autotransfer-far-mean") / "autotransfer_far_mean.py"


def test_the_new_strategy_is_found_and_keeps_its_promises(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["plugins", "--new", "far-mean"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"next: autotransfer plugins --plugin {MODULE} --check far-mean"
    assert str(MODULE) in told
    findings = [*check_named(discover(files=[MODULE]), "far-mean")]
    assert len(findings) > 5
    assert [finding for finding in findings if finding.kept is False] == []


def test_the_package_names_its_entry_point() -> None:
    assert run(["plugins", "--new", "far-mean", "--json"]) == 0
    project = tomllib.loads((MODULE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    entry_points = project["project"]["entry-points"]["autotransfer"]
    assert entry_points == {"far-mean": MODULE.stem}
    assert project["tool"]["hatch"]["build"]["only-include"] == [MODULE.name]


@pytest.mark.parametrize("name", ["Far", "far_mean", "../far", "", "far-", "3d", "a b"])
def test_what_cannot_be_a_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--new", name]) == 2
    assert capsys.readouterr().err.startswith(f"autotransfer: new {name!r}: the name of")
    assert not [*Path().glob("autotransfer-*")]


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--new", "far-mean", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 4
    MODULE.write_text("mine", encoding="utf-8")
    assert run(["plugins", "--new", "far-mean"]) == 2
    assert "File exists" in capsys.readouterr().err
    assert MODULE.read_text(encoding="utf-8") == "mine"


@pytest.mark.nightly
def test_its_own_tests_pass(tmp_path: Path) -> None:
    assert run(["plugins", "--new", "far-mean"]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, check=False, cwd=tmp_path / MODULE.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
