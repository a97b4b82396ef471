"""Ray: the same trials on the nodes of a cluster, one actor a slot.

Items in local folders, the weights of the sources and the feature cache have to lie on a path
that every node sees. The trial of an actor whose node dies is tried once more on another; where
the cluster has become too small for that, it waits for an actor that is free. A cluster goes on
placing actors on a node that is gone until it notices: a trial that never began has lost nothing.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import ray

from autotransfer.errors import InvalidOptionError, one_line
from autotransfer.search.executors.lost_trials import (
    LATE,
    RETRIES,
    died_reason,
    lost_result,
    seconds_until_late,
)
from autotransfer.search.executors.worker_context import TrialRequest, Worker, WorkerContext
from autotransfer.search.trial import TrialResult, TrialSpec

_ANSWER_SECONDS = 10.0  # of an idle actor that is asked whether it is there
_LOOK_SECONDS = 5.0  # between two looks whether the cluster has room for an actor that waits
_PLACES = 5  # of a trial whose actors end before they start: the nodes may be to blame, or it


@dataclass
class _Flight:
    """One trial on its way.

    Args:
        since: `time.monotonic()` of its start.
        begun: Whether the actor has started; a new one may have to wait for a place.
    """

    spec: TrialSpec
    actor: Any
    since: float
    begun: bool


class RayExecutor:
    """Runs trials on a Ray cluster.

    Args:
        workers: Number of trials at a time; None is what the cluster has room for.
        address: Of a cluster, or "auto"; None uses the one that is connected, or starts one on
            this machine.

    Raises:
        InvalidOptionError: If the cluster cannot be reached.
    """

    def __init__(
        self, worker_context: WorkerContext, *, workers: int | None, address: str | None
    ) -> None:
        self._own = not ray.is_initialized()
        if self._own:
            _connect(address)
        cards = 1 if worker_context.device == "cuda" else 0
        self._unit = "GPU" if cards else "CPU"
        self.slots = workers or max(1, self._room())
        self._whole = worker_context
        self._worker_context = ray.put(worker_context.share(self.slots))
        self._actor = ray.remote(num_cpus=1, num_gpus=cards, max_restarts=0)(Worker)
        self._idle: list[Any] = []
        self._flights: dict[Any, _Flight] = {}
        self._queue: list[TrialSpec] = []
        self._lost: Counter[int] = Counter()
        self._unplaced: Counter[int] = Counter()

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial; a new actor gets it in `wait`, once it answers."""
        self._queue.append(spec)
        self._launch()

    def wait(self) -> list[TrialResult]:
        """Return the results of one or more trials."""
        while True:
            ready, _ = ray.wait(list(self._flights), num_returns=1, timeout=self._patience())
            found = [self._answer(reference) for reference in ready]
            for reference, flight in list(self._flights.items()):
                if seconds_until_late([flight.spec]) == 0:
                    del self._flights[reference]
                    ray.kill(flight.actor)
                    found.append(lost_result(flight.spec, LATE, flight.since))
            self._launch()
            results = [result for result in found if result is not None]
            if results:
                return results

    def _launch(self) -> None:
        """Give waiting trials to idle actors, or to new ones where the cluster has room.

        An actor that the cluster has no room for would wait for ever: the others, idle or not,
        keep what they have. The first one is asked for in any case; a node may yet come.
        """
        self._take_back()
        while self._queue:
            if not self._idle and len(self._flights) >= max(1, self._room()):
                return
            begun = bool(self._idle)
            actor = self._idle.pop() if begun else self._actor.remote(self._worker_context)
            flight = _Flight(self._queue.pop(0), actor, time.monotonic(), begun)
            self._flights[_next_of(flight)] = flight

    def _take_back(self) -> None:
        """Queue the trials of actors again for which there is no room, while others are idle.

        The cluster takes a while to notice that a node is gone; until then it promises its room.
        """
        if not self._idle:
            return
        excess = len(self._idle) + len(self._flights) - max(1, self._room())
        for reference, flight in list(self._flights.items()):
            if excess > 0 and not flight.begun:
                del self._flights[reference]
                ray.kill(flight.actor)
                self._queue.insert(0, flight.spec)
                excess -= 1

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
            response = ray.get(reference)
        except ray.exceptions.RayError as error:
            return self._dead(flight, error)
        if not flight.begun:
            flight.begun = True
            self._flights[_next_of(flight)] = flight
            return None
        self._idle.append(flight.actor)
        found: TrialResult = response.result(flight.spec)
        return found

    def _dead(self, flight: _Flight, error: Exception) -> TrialResult | None:
        spec = flight.spec
        ray.kill(flight.actor)  # one that cannot be reached would go on, and keep its place
        self._idle = [actor for actor in self._idle if _alive(actor)]  # they may share its node
        blameless = not flight.begun and not getattr(error, "actor_init_failed", False)
        times, most = (self._unplaced, _PLACES) if blameless else (self._lost, RETRIES)
        times[spec.number] += 1
        if times[spec.number] <= most:
            self._queue.insert(0, spec)
            return None
        detail = type(error).__name__ + (", before it began" if blameless else "")
        reason = died_reason(times[spec.number], detail)
        return lost_result(spec, reason, flight.since)

    def _patience(self) -> float | None:
        late = seconds_until_late(flight.spec for flight in self._flights.values())
        if all(flight.begun for flight in self._flights.values()):
            return late
        return _LOOK_SECONDS if late is None else min(late, _LOOK_SECONDS)


def _next_of(flight: _Flight) -> Any:
    """Return what is awaited of a flight: a sign of life of its actor, then the response."""
    actor = flight.actor
    return actor.run.remote(TrialRequest.of(flight.spec)) if flight.begun else actor.pid.remote()


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
    os.environ.setdefault("RAY_worker_niceness", "0")  # trials are the work, and no background
    given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        given |= {"include_dashboard": False}
    try:
        ray.init(address=address, **given)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise InvalidOptionError(
            f"no Ray cluster answers at {address or 'this machine'!r} ({one_line(error)}); "
            "start one with `ray start --head`"
        ) from error
