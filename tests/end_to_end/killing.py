"""Kills small fits, or their workers, at random moments, and says what was lost or repeated.

    python -m tests.end_to_end.killing fits|workers TARGET CATALOGUE FOLDER KILLS EACH SEED

Fits run in forked children of one process that has imported everything, so that a kill hits the
fit and not its imports. Each is in a new workspace; in three of four MLflow's tables, which take
most of the time, are there beforehand. Prints JSON: how many were killed, and a line for each
fault.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import mlflow.pyfunc.model  # noqa: F401 - imported before the forks
import numpy as np
import optuna
import torch
from mlflow import MlflowClient

import autotransfer
import autotransfer.orchestrator  # before the forks
from autotransfer.cli import run
from autotransfer.report import page
from autotransfer.search.study import load_studies
from autotransfer.tracking.places import embedded_uri
from autotransfer.tracking.tables import ensure_tables, half_made

TRIALS = 3
NEW_STORE = 4  # every fourth makes MLflow's tables
NAME = "killed"


def forked(action: Callable[[], Any], log: Path) -> int:
    """Return the id of a process that does something, and leads a group of its own."""
    process = os.fork()
    with suppress(OSError):  # by both: a kill may come before the child has run at all
        os.setpgid(process, process)
    if process:
        return process
    said = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code = 1
    try:
        action()
        code = 0
    except BaseException:  # noqa: BLE001 - the log says it
        traceback.print_exc()
    os._exit(code)


def code_of(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def fit(target: str, catalogue: str, folder: Path) -> None:
    os.environ["AUTOTRANSFER_CACHE"] = str(folder / "cache")
    warnings.simplefilter("ignore")
    autotransfer.fit(
        target, sources=catalogue, max_sources=1, guard=False, budget=f"{TRIALS} trials",
        name=NAME, resume=True, workspace=folder, strategies=("feature-extraction",),
    )  # fmt: skip


def outcomes(folder: Path) -> dict[int, str]:
    """Return every outcome that the study has, by its number; none where there is no study."""
    if not (folder / "autotransfer.db").exists():
        return {}
    try:
        studies = load_studies(storage=None, workspace=folder)
    except Exception:  # noqa: BLE001 - the tables of the study were never made whole
        return {}
    return {o.number: repr(o) for o in studies[NAME].outcomes} if NAME in studies else {}


def faults(folder: Path, before: dict[int, str]) -> Iterator[str]:
    """Yield what is wrong with a workspace after its fit has ended."""
    after = outcomes(folder)
    lost = [number for number in before if after.get(number) != before[number]]
    if lost:
        yield f"lost or changed: {lost}"
    study = load_studies(storage=None, workspace=folder)[NAME]
    points = Counter(json.dumps([o.source, o.strategy, dict(o.params)]) for o in study.outcomes)
    yield from (f"repeated: {point}" for point, count in points.items() if count > 1)
    if any(trial.state is optuna.trial.TrialState.RUNNING for trial in study.optuna.trials):
        yield "a trial is still running in the study"
    client = MlflowClient(embedded_uri(folder))
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    if [r.info.run_id for r in parents] != [study.recall("run_id")]:
        yield f"parents in MLflow: {[(r.info.run_id, r.info.status) for r in parents]}"
    numbers = sorted(int(r.data.tags["autotransfer.number"]) for r in runs if r not in parents)
    if numbers != sorted(number for number in after if number >= 0):
        yield f"children in MLflow {numbers}, outcomes {sorted(after)}"
    yield from (f"left running: {r.info.run_id}" for r in runs if r.info.status == "RUNNING")
    for name in ("autotransfer.db", "mlflow.db"):
        with closing(sqlite3.connect(folder / name)) as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok" or half_made(folder / name):
            yield f"{name}: {answer}"
    for shard in (folder / "cache").rglob("*.npy"):
        np.load(shard, allow_pickle=False)
    yield from (f"left behind: {path}" for path in (folder / NAME).rglob("*.tmp"))
    yield from (f"left behind: {path}" for path in (folder / "cache" / "spool").glob("*"))
    autotransfer.load(folder / NAME)


def found_in(folder: Path, before: dict[int, str]) -> list[str]:
    return list(faults(folder, before))


def looked_at(folder: Path, look: Callable[[], Any]) -> Any:
    """Return what is seen in a process of its own: connections to databases are not for forks."""
    seen = folder / "seen.json"
    process = forked(lambda: seen.write_text(json.dumps(look()), encoding="utf-8"), folder / "log")
    if code_of(process):
        return [(folder / "log").read_text(encoding="utf-8")[-2000:]]
    return json.loads(seen.read_text(encoding="utf-8"))


def killed_after(seconds: float, action: Callable[[], Any], log: Path) -> bool:
    """Return whether something had not ended before it was killed."""
    end, process = time.monotonic() + seconds, forked(action, log)
    while time.monotonic() < end:
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    return code_of(process) == -signal.SIGKILL


def kill_fits(
    target: str, catalogue: str, root: Path, kills: int, each: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Kill a fit in a new workspace, `each` times, let it end, and look; as often as asked."""
    found: list[str] = []
    killed = number = 0
    seconds: dict[bool, float] = {}  # of a whole fit, by whether it makes MLflow's tables
    while killed < kills:
        number += 1
        new = number % NEW_STORE == 1
        folder = root / str(number)
        folder.mkdir(parents=True)
        if not new:
            shutil.copy(root / "mlflow.db", folder)

        def whole(folder: Path = folder) -> None:
            fit(target, catalogue, folder)

        known: dict[int, str] = {}
        for _ in range(each if new in seconds else 0):
            killed += killed_after(float(rng.uniform(0.0, seconds[new])), whole, folder / "log")
            seen = looked_at(folder, partial(outcomes, folder))
            lost = [n for n in known if seen.get(n) != known[n]]
            found += [f"{number}: lost or changed by a kill: {n}" for n in lost]
            known = seen
        began = time.monotonic()
        if code_of(forked(whole, folder / "log")):
            faulty = [(folder / "log").read_text(encoding="utf-8")[-2000:]]
        else:
            seconds.setdefault(new, time.monotonic() - began)
            before = {int(n): text for n, text in known.items()}
            faulty = looked_at(folder, partial(found_in, folder, before))
        found += [f"{number}: {line}" for line in faulty]
        if number == 1:
            code_of(forked(lambda: ensure_tables(root / "mlflow.db"), root / "log"))
        if not faulty:
            shutil.rmtree(folder)
        sys.stderr.write(f"{killed} kills, {len(found)} faults\n")
    return {"kills": killed, "faults": found, "seconds": list(seconds.values())}


def kill_workers(
    target: str, catalogue: str, root: Path, kills: int, each: int, rng: np.random.Generator
) -> Any:
    """Kill workers of fits, `each` of one fit, until enough have been killed."""
    found: list[str] = []
    killed = number = 0
    while killed < kills and not found:
        folder, number = root / str(number), number + 1
        folder.mkdir(parents=True)
        arguments = ["fit", target, "--sources", catalogue, "--trials", "500", "--name", NAME]
        arguments += ["--executor", "processes", "--workers", "2"]

        def start(folder: Path = folder, arguments: list[str] = arguments) -> None:
            os.chdir(folder)
            os.environ["AUTOTRANSFER_CACHE"] = str(folder / "cache")
            raise SystemExit(run(arguments))

        process, here, asked = forked(start, folder / "log"), 0, False
        while os.waitpid(process, os.WNOHANG)[0] == 0:
            workers = workers_of(process)
            if here < each and workers:
                time.sleep(rng.uniform(0.0, 12.0))  # from its first import on
                with suppress(ProcessLookupError):
                    os.kill(int(rng.choice(workers)), signal.SIGKILL)
                    here += 1
            elif here >= each and not asked:
                os.kill(process, signal.SIGTERM)
                asked = True
            time.sleep(0.2)
        killed += here
        found += looked_at(folder, partial(found_in, folder, {}))
        found += [f"worker {worker} is still there" for worker in workers_of(process)]
        sys.stderr.write(f"{killed} kills, {len(found)} faults\n")
    return {"kills": killed, "faults": found}


def workers_of(driver: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(driver)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "executors" in line]


if __name__ == "__main__":
    torch.set_num_threads(1)
    page.built = lambda *_: ({}, ())  # what a report shows is not what is killed here
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kind, target, catalogue, root, kills, each, seed = sys.argv[1:]
    act = {"fits": kill_fits, "workers": kill_workers}[kind]
    rng = np.random.default_rng(int(seed))
    sys.stdout.write(json.dumps(act(target, catalogue, Path(root), int(kills), int(each), rng)))
