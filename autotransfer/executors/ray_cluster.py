"""Ray: the same trials on the nodes of a cluster, one actor a slot.

Pictures in local folders, the weights of the sources and the feature cache have to lie on a path
that every node sees. The trial of an actor whose node dies is tried once more on another one; where
the cluster has become too small for that, it waits for an actor that is free.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import ray

from autotransfer.errors import InvalidOptionError
from autotransfer.executors.lost import RETRIES, died_reason, lost_result
from autotransfer.executors.workshop import Answer, Bench, Job, Workshop
from autotransfer.search.trial import Arena, TrialResult, TrialSpec
from autotransfer.search.watch import GRACE_SECONDS


_ANSWER_SECONDS = 10.0  # of an idle actor that is asked whether it is there


@dataclass
class _Flight:
    """One trial on its way."""

    spec: TrialSpec
    actor: Any
    since: float


class RayExecutor:
    """Runs trials on a Ray cluster.

    Args:
        workshop: What a worker opens.
        arena: The arena of the driver.
        workers: Number of trials at a time; None is what the cluster has room for.
        address: Of a cluster, or "auto"; None uses the one that is connected, or starts one on
            this machine.

    Raises:
        InvalidOptionError: If the cluster cannot be reached.
    """

    def __init__(
        self, workshop: Workshop, arena: Arena, *, workers: int | None, address: str | None
    ) -> None:
        self._own = not ray.is_initialized()
        if self._own:
            _connect(address)
        cards = 1 if arena.readers.device.type == "cuda" else 0
        room = ray.cluster_resources()
        capacity = room.get("GPU" if cards else "CPU", 1)
        self.slots = workers or max(1, int(capacity))
        self._whole = workshop
        self._workshop = ray.put(workshop.share(self.slots))
        self._actor = ray.remote(num_cpus=1, num_gpus=cards, max_restarts=0)(_Worker)
        self._unit = "GPU" if cards else "CPU"
        self._idle: list[Any] = []
        self._flights: dict[Any, _Flight] = {}
        self._queue: list[TrialSpec] = []
        self._lost: Counter[int] = Counter()

    @property
    def pids(self) -> list[int]:
        """Return the process id of every idle worker."""
        found: list[int] = ray.get([actor.pid.remote() for actor in self._idle])
        return found

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial; it starts at once where the cluster has room."""
        self._queue.append(spec)
        self._launch()

    def wait(self) -> list[TrialResult]:
        """Return the results of one or more trials."""
        while True:
            ready, _ = ray.wait(list(self._flights), num_returns=1, timeout=self._patience())
            found = [self._answer(reference) for reference in ready]
            found += [self._late(reference) for reference in self._overdue()]
            self._launch()
            results = [result for result in found if result is not None]
            if results:
                return results

    def _launch(self) -> None:
        """Give waiting trials to idle actors, or to new ones where the cluster has room.

        An actor that the cluster has no room for would wait for ever: the others, idle or not,
        keep what they have. The first one is asked for in any case; a node may yet come.
        """
        while self._queue:
            if not self._idle and len(self._flights) >= max(1, self._room()):
                return
            spec = self._queue.pop(0)
            actor = self._idle.pop() if self._idle else self._actor.remote(self._workshop)
            flight = _Flight(spec, actor, time.monotonic())
            self._flights[actor.run.remote(Job.of(spec))] = flight

    def _room(self) -> int:
        """Return how many actors the nodes that are alive can hold."""
        return int(ray.cluster_resources().get(self._unit, 0))

    def close(self) -> None:
        """Give the actors back."""
        for actor in [*self._idle, *(flight.actor for flight in self._flights.values())]:
            ray.kill(actor)
        self._idle.clear()
        self._queue.clear()
        self._flights.clear()
        self._whole.remove()
        if self._own:
            ray.shutdown()

    def _answer(self, reference: Any) -> TrialResult | None:
        flight = self._flights.pop(reference)
        try:
            answer: Answer = ray.get(reference)
        except ray.exceptions.RayError as error:
            return self._dead(flight, error)
        self._idle.append(flight.actor)
        return answer.result(flight.spec)

    def _dead(self, flight: _Flight, error: Exception) -> TrialResult | None:
        spec = flight.spec
        self._idle = [actor for actor in self._idle if _alive(actor)]  # they may share its node
        self._lost[spec.number] += 1
        if self._lost[spec.number] <= RETRIES:
            self._queue.insert(0, spec)
            return None
        reason = died_reason(self._lost[spec.number], type(error).__name__)
        return lost_result(spec, reason, time.monotonic() - flight.since)

    def _patience(self) -> float | None:
        ends = [f.spec.deadline for f in self._flights.values() if f.spec.deadline is not None]
        return max(0.0, min(ends) + 2 * GRACE_SECONDS - time.monotonic()) if ends else None

    def _overdue(self) -> list[Any]:
        now = time.monotonic()
        return [
            reference
            for reference, flight in self._flights.items()
            if flight.spec.deadline is not None and now >= flight.spec.deadline + 2 * GRACE_SECONDS
        ]

    def _late(self, reference: Any) -> TrialResult:
        flight = self._flights.pop(reference)
        ray.kill(flight.actor)
        reason = "did not stop at its deadline; its worker was ended"
        return lost_result(flight.spec, reason, time.monotonic() - flight.since)


class _Worker:
    """An opened workshop on a node."""

    def __init__(self, workshop: Workshop) -> None:
        self._bench = Bench(workshop)

    def run(self, job: Job) -> Answer:
        return self._bench.run(job)

    def pid(self) -> int:
        return os.getpid()


def _alive(actor: Any) -> bool:
    """Return whether an idle actor answers."""
    try:
        ray.get(actor.pid.remote(), timeout=_ANSWER_SECONDS)
    except ray.exceptions.RayError:
        return False
    return True


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        settings |= {"include_dashboard": False}
    try:
        ray.init(address=address, **settings)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise InvalidOptionError(
            f"no Ray cluster answers at {address or 'this machine'!r} ({error}); start one with "
            "`ray start --head`"
        ) from error
