"""Where trials run beside the driver: process slots on this machine, or a Ray cluster."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from autotransfer.errors import InvalidOptionError
from autotransfer.search.executor import Executor, InlineExecutor
from autotransfer.search.executors.processes import ProcessExecutor
from autotransfer.search.executors.worker_context import WorkerContext
from autotransfer.search.trial import TrialContext

__all__ = ["EXECUTORS", "executor_named", "open_executor"]

EXECUTORS = ("inline", "processes", "ray")
MOST_PROCESSES = 1024


def executor_named(name: str | None, workers: int | None, ray_address: str | None) -> str:
    """Return the name of the executor that the options mean; see `open_executor`.

    Raises:
        InvalidOptionError: If there is no such executor, it is not installed, or the other options
            do not go with it.
    """
    if name is None:
        name = "inline" if workers is None else "processes"
    if name not in EXECUTORS:
        raise InvalidOptionError(f"no executor named {name!r}; available: {', '.join(EXECUTORS)}")
    if ray_address is not None and name != "ray":
        raise InvalidOptionError("--ray-address is for --executor ray")
    if name != "ray" and (workers or 1) > MOST_PROCESSES:
        raise InvalidOptionError(
            f"workers must be at most {MOST_PROCESSES} on one machine, got {workers}"
        )
    if name == "inline" and workers not in (None, 1):
        raise InvalidOptionError(f"--executor inline runs one trial at a time, not {workers}")
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise InvalidOptionError(
            "--executor ray needs Ray, which is not installed: pip install 'autotransfer[ray]'"
        )
    return name


def open_executor(
    context: TrialContext,
    *,
    name: str | None,
    workers: int | None,
    ray_address: str | None,
    plugins: Sequence[str | Path],
    memory_bytes: int,
) -> Executor:
    """Return who runs the trials of a fit.

    Args:
        context: What all trials share.
        name: One of `EXECUTORS`; None is processes where `workers` is given, else inline.
        workers: Trials at a time; None is one for every two cores, or what the cluster has.
        ray_address: Of a cluster, or "auto"; None starts one on this machine.
        plugins: Plugin files, which workers load as well.
        memory_bytes: What all trials together may keep in memory.

    Raises:
        InvalidOptionError: As for `executor_named`.
    """
    name = executor_named(name, workers, ray_address)
    if name == "inline":
        return InlineExecutor(context)
    worker_context = WorkerContext.of(context, plugins, memory_bytes)
    if name == "ray":
        # not at the top: Ray costs a second to import, and is not always there
        cluster = importlib.import_module("autotransfer.search.executors.ray_cluster")
        found: Executor = cluster.RayExecutor(
            worker_context, context, workers=workers, address=ray_address
        )
        return found
    return ProcessExecutor(worker_context, context, workers=workers)
