"""Where trials run beside the driver: process slots on this machine, or a Ray cluster."""

from __future__ import annotations

import importlib
import importlib.util
import socket
from collections.abc import Sequence
from pathlib import Path

from autotransfer.errors import InvalidOptionError, one_line
from autotransfer.search.executor import Executor, InlineExecutor
from autotransfer.search.executors.processes import ProcessExecutor
from autotransfer.search.executors.worker_context import WorkerContext
from autotransfer.search.trial import TrialContext

__all__ = ["EXECUTORS", "executor_named", "open_executor"]

EXECUTORS = ("inline", "processes", "ray")
MOST_PROCESSES = 1024
ANSWER_SECONDS = 5.0


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
    if ray_address not in (None, "auto", "local"):
        _refuse_unreachable(ray_address)
    return name


def _refuse_unreachable(address: str) -> None:
    """Refuse the address of a cluster that takes no connection: Ray itself tries for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise InvalidOptionError(
            f"--ray-address must be HOST:PORT, ray://HOST:PORT or auto, got {address!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, UnicodeError) as error:
        raise InvalidOptionError(
            f"no Ray cluster answers at --ray-address {address!r} ({one_line(error)}); start one "
            "with `ray start --head`"
        ) from error


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
        found: Executor = cluster.RayExecutor(worker_context, workers=workers, address=ray_address)
        return found
    return ProcessExecutor(worker_context, workers=workers)
