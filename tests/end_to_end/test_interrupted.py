"""Ctrl-C at any moment: the best so far is saved, as soon as there is one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("warm_cache"),
]


def _fit(target: Path, catalogue: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "autotransfer", "fit", str(target), "--json", "--no-report"),
            *("--sources", str(catalogue), "--name", "stopped", *more),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_listening,  # tests that run in the background ignore interrupts
    )


def _listening() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupted(process: subprocess.Popen[str], at: str) -> tuple[int, str, str]:
    """Interrupt when a line begins so; return exit code, output and what was said afterwards."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(at):
            break
    else:
        pytest.fail(f"the fit said nothing that begins with {at!r}")
    os.kill(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=400)
    return process.returncode, out, said


def _answered(code: int, out: str, said: str) -> dict[str, Any]:
    assert code == 130, said
    assert "interrupted: saving the best so far" in said
    assert "Traceback" not in said
    command = said.strip().splitlines()[-1]
    assert command.startswith("autotransfer: interrupted; to go on: autotransfer fit ")
    assert command.endswith(" --resume --name stopped")
    found: dict[str, Any] = json.loads(out)
    assert found["forced"][-1] == "the fit was interrupted by the user"
    assert found["verdict"] == "unverified"
    assert "the fit was interrupted" in found["sentence"]
    assert Path(found["model"], "selection.json").is_file()
    return found


def test_before_there_is_an_answer_it_ends_at_once_and_can_be_resumed(
    target: Path, catalogue: Path
) -> None:
    code, out, said = _interrupted(_fit(target, catalogue, "--trials", "2"), "ranking ")
    assert (code, out) == (130, ""), said
    assert "Traceback" not in said
    assert "--resume" in said
    again = _fit(target, catalogue, "--trials", "2", "--resume")
    out, said = again.communicate(timeout=400)
    assert again.returncode == 0, said
    assert json.loads(out)["trials"]["complete"] >= 1


def test_among_the_probes_the_best_of_them_is_returned(target: Path, catalogue: Path) -> None:
    found = _answered(*_interrupted(_fit(target, catalogue, "--trials", "500"), "probe 2"))
    assert found["probes"] >= 2
    assert sum(found["trials"].values()) == 0


@pytest.mark.parametrize(
    "more",
    [
        pytest.param((), id="inline"),
        pytest.param(("--workers", "1"), id="processes", marks=pytest.mark.nightly),
    ],
)
def test_in_training_the_best_so_far_is_returned(
    target: Path, catalogue: Path, more: tuple[str, ...]
) -> None:
    process = _fit(target, catalogue, "--trials", "500", *more)
    found = _answered(*_interrupted(process, "trial 1"))
    assert 2 <= sum(found["trials"].values()) < 500
