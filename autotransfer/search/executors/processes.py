"""Process slots: one single-worker process for each, spawned, threads divided among them.

A pool would lose every pending trial with one killed worker. Here a worker that is killed costs
one trial, which is tried once more in a new one; a worker that goes on after its deadline is
ended from outside.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from autotransfer.search.executors.lost_trials import (
    LATE,
    RETRIES,
    died_reason,
    lost_result,
    seconds_until_late,
)
from autotransfer.search.executors.worker_context import TrialRequest, TrialResponse, WorkerContext
from autotransfer.search.trial import TrialResult, TrialSpec

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CORES_PER_WORKER = 2


@dataclass
class _Slot:
    """One worker process and the trial that it runs."""

    process: subprocess.Popen[bytes]
    connection: Connection
    spec: TrialSpec | None = None
    since: float = 0.0

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


class ProcessExecutor:
    """Runs trials in processes of this machine.

    Args:
        workers: Number of slots; None is one for every two cores.
    """

    def __init__(self, worker_context: WorkerContext, *, workers: int | None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self.slots = workers or max(1, cores // _CORES_PER_WORKER)
        self._threads = max(1, cores // self.slots)
        self._whole = worker_context
        self._worker_context = worker_context.share(self.slots)
        self._slots: list[_Slot] = []
        self._lost: Counter[int] = Counter()

    def submit(self, spec: TrialSpec) -> None:
        """Give a trial to a worker that is idle; a new one is started where there is none."""
        slot = next((slot for slot in self._slots if slot.spec is None), None) or self._started()
        slot.spec, slot.since = spec, time.monotonic()
        with contextlib.suppress(OSError):  # it has died while it was idle: `wait` sees that
            slot.connection.send(TrialRequest.of(spec))

    def wait(self) -> list[TrialResult]:
        """Return the results of one or more trials."""
        while True:
            busy = [(slot, slot.spec) for slot in self._slots if slot.spec is not None]
            patience = seconds_until_late(spec for _, spec in busy)
            ready = wait([slot.connection for slot, _ in busy], patience)
            found: list[TrialResult | None] = []
            for slot, spec in busy:
                if slot.connection in ready:
                    found.append(self._answer(slot, spec))
                elif seconds_until_late([spec]) == 0:
                    self._end(slot)
                    found.append(lost_result(spec, LATE, slot.since))
            results = [result for result in found if result is not None]
            if results:
                return results

    def close(self) -> None:
        """End every worker."""
        for slot in self._slots:
            slot.end()
        self._slots.clear()
        self._whole.remove()

    def _started(self) -> _Slot:
        ours, theirs = Pipe()
        number = len(self._slots)
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(self._threads))}
        environment |= _graphics_card(number)
        command = [
            sys.executable,
            "-m",
            "autotransfer.search.executors.worker",
            str(theirs.fileno()),
        ]
        with _uninterrupted():
            process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        theirs.close()
        slot = _Slot(process, ours)
        slot.connection.send(self._worker_context)
        self._slots.append(slot)
        return slot

    def _answer(self, slot: _Slot, spec: TrialSpec) -> TrialResult | None:
        """Return the result of a slot that has spoken; None where its trial is tried again."""
        try:
            response = slot.connection.recv()
        except (EOFError, OSError):
            return self._dead(slot, spec)
        assert isinstance(response, TrialResponse)
        slot.spec = None
        return response.result(spec)

    def _dead(self, slot: _Slot, spec: TrialSpec) -> TrialResult | None:
        self._end(slot)
        self._lost[spec.number] += 1
        if self._lost[spec.number] <= RETRIES:
            self.submit(spec)
            return None
        detail = f"exit status {slot.process.returncode}"
        return lost_result(spec, died_reason(self._lost[spec.number], detail), slot.since)

    def _end(self, slot: _Slot) -> None:
        slot.end()
        self._slots.remove(slot)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a process that is started in the block never be interrupted from the terminal.

    An interrupt is for the driver; a worker that is still importing would end with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _graphics_card(number: int) -> dict[str, str]:
    """Return which card a worker sees, where there are several."""
    cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card]
    return {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]} if len(cards) > 1 else {}
