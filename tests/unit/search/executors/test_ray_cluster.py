"""The executor against a cluster that is played: which trial goes to which actor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from autotransfer.results import Outcome, State
from autotransfer.search.trial import TrialResult, TrialSpec

pytest.importorskip("ray", reason="Ray is not installed (autotransfer[ray])")

from autotransfer.search.executors import ray_cluster


class PlayedError(Exception):
    """What Ray raises of its own."""


@dataclass(eq=False)
class Actor:
    """A worker; without a place it answers nobody."""

    cluster: Cluster
    placed: bool
    dead: bool = False
    ran: list[int] = field(default_factory=list)

    @property
    def run(self) -> Any:
        return SimpleNamespace(remote=self._run)

    @property
    def pid(self) -> Any:
        return SimpleNamespace(remote=lambda: _Call(self, None))

    def _run(self, job: Any) -> _Call:
        self.ran.append(job.number)
        if self.cluster.deadly[job.number] > 0:
            self.cluster.deadly[job.number] -= 1
            self.dead = True
        return _Call(self, job.number)


@dataclass(eq=False)
class _Call:
    actor: Actor
    number: int | None


@dataclass
class Cluster:
    """What the executor uses of Ray, with nodes that come and go.

    Args:
        promised: Room that it says it has.
        room: Room that it has.
        held: Trials that have not ended yet.
        deadly: How many actors a trial still ends.
        stillborn: How many actors still end before they start.
    """

    promised: int
    room: int
    actors: list[Actor] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    deadly: Counter[int] = field(default_factory=Counter)
    stillborn: int = 0
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(RayError=PlayedError))

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.promised}

    def put(self, thing: Any) -> Any:
        return thing

    def remote(self, **_options: Any) -> Any:
        def made(_worker_context: Any) -> Actor:
            placed = sum(actor.placed and not actor.dead for actor in self.actors) < self.room
            self.actors.append(Actor(self, placed, dead=self.stillborn > 0))
            self.stillborn -= self.stillborn > 0
            return self.actors[-1]

        return lambda _class: SimpleNamespace(remote=made)

    def wait(
        self, calls: list[_Call], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[_Call], list[_Call]]:
        ready = [
            call
            for call in calls
            if call.actor.dead or (call.actor.placed and call.number not in self.held)
        ]
        assert ready or timeout is not None, "this would wait for ever"
        return ready[:num_returns], []

    def get(self, call: _Call, timeout: float | None = None) -> Any:
        if call.actor.dead:
            raise PlayedError
        return SimpleNamespace(result=_complete)

    def kill(self, actor: Actor) -> None:
        actor.dead = True


def _complete(spec: TrialSpec) -> TrialResult:
    outcome = Outcome(spec.number, spec.source.name, spec.strategy.name, {}, State.COMPLETE)
    return TrialResult(outcome, None)


def _spec(number: int) -> TrialSpec:
    named: Any = SimpleNamespace(name="played", adaptation="")
    return TrialSpec(number, named, named, {}, 0, None)


def _executor(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> ray_cluster.RayExecutor:
    monkeypatch.setattr(ray_cluster, "ray", cluster)
    monkeypatch.setattr(ray_cluster, "_LOOK_SECONDS", 0.0)
    workshop: Any = SimpleNamespace(share=lambda _slots: None, remove=lambda: None, device="cpu")
    return ray_cluster.RayExecutor(workshop, workers=None, address=None)


def _numbers(results: list[TrialResult]) -> list[int]:
    return [result.outcome.number for result in results]


def test_an_idle_actor_gets_the_next_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(promised=2, room=2)
    executor = _executor(cluster, monkeypatch)
    assert executor.slots == 2
    for number in range(3):
        executor.submit(_spec(number))
        assert _numbers(executor.wait()) == [number]
    assert [actor.ran for actor in cluster.actors] == [[0, 1, 2]]


def test_a_trial_that_ends_its_actor_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(promised=1, room=1, deadly=Counter({0: 1}))
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    (result,) = executor.wait()
    assert result.outcome.state is State.COMPLETE
    assert [actor.ran for actor in cluster.actors] == [[0], [0]]


def test_a_trial_that_ends_two_actors_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(promised=1, room=1, deadly=Counter({0: 2}))
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    (result,) = executor.wait()
    assert result.outcome.state is State.FAILED
    assert "ended 2 times" in result.outcome.reason
    assert [actor.ran for actor in cluster.actors] == [[0], [0]]


@pytest.mark.parametrize("stillborn", [2, 5])
def test_a_trial_that_never_began_has_ended_no_actor(
    monkeypatch: pytest.MonkeyPatch, stillborn: int
) -> None:
    cluster = Cluster(promised=1, room=1, stillborn=stillborn, deadly=Counter({0: 1}))
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    (result,) = executor.wait()
    assert result.outcome.state is State.COMPLETE
    assert [actor.ran for actor in cluster.actors] == [[]] * stillborn + [[0], [0]]


def test_a_trial_that_no_actor_lives_to_begin_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(promised=1, room=1, stillborn=99)
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    (result,) = executor.wait()
    assert result.outcome.state is State.FAILED
    assert "ended 6 times (PlayedError, before it began)" in result.outcome.reason


def test_what_a_shrunken_cluster_has_no_room_for_goes_to_an_idle_actor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(promised=2, room=2, held={0, 1})
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    executor.submit(_spec(1))
    for sign_of_life in list(executor._flights):
        assert executor._answer(sign_of_life) is None
    cluster.actors[1].dead = True  # its node is gone, but the cluster has not noticed
    cluster.room = 1
    cluster.held.clear()
    cluster.held.add(0)
    assert executor._answer(next(c for c in executor._flights if c.number == 1)) is None
    executor._launch()
    assert not cluster.actors[2].placed  # promised room that is not there
    cluster.held.clear()
    assert _numbers(executor.wait()) == [0]
    cluster.promised = 1  # now it has
    assert _numbers(executor.wait()) == [1]
    assert cluster.actors[0].ran == [0, 1]
    assert cluster.actors[2].dead


def test_an_idle_actor_that_died_with_its_node_gets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(promised=3, room=3, held={0, 1})
    executor = _executor(cluster, monkeypatch)
    executor.submit(_spec(0))
    executor.submit(_spec(1))
    cluster.held = {1}
    assert _numbers(executor.wait()) == [0]
    for actor in cluster.actors:  # one node held both
        actor.dead = True
    cluster.promised = cluster.room = 1
    cluster.held.clear()
    (result,) = executor.wait()
    assert (result.outcome.number, result.outcome.state) == (1, State.COMPLETE)
    assert [actor.ran for actor in cluster.actors] == [[0], [1], [1]]
