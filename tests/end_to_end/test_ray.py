"""Trials on a Ray cluster of two nodes on this machine; one of them is killed."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotransfer
from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.results import State
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.executors.worker_context import WorkerContext
from autotransfer.search.trial import TrialSpec

ray = pytest.importorskip("ray", reason="Ray is not installed (autotransfer[ray])")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # Ray's own sockets and processes
]

ATTEMPTS = 3
_busy: list[str] = []  # why no node started; the tests that follow do not wait for one again
PLUGIN = """
import os, signal, time
from pathlib import Path
from autotransfer.plugin import SearchSpace, Strategy, heads, hookimpl, parameters

class Slow(Strategy):
    name = "slow"
    def space(self, task):
        moods = ("good", "waits", "dies once")
        return SearchSpace.of(mood=parameters.choice(moods, default="good"))
    def fit(self, task, trial):
        mark = Path(__file__).with_suffix(".mark")
        if trial.params["mood"] == "dies once" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if trial.params["mood"] == "waits":
            (mark.parent / f"pid-{os.getpid()}").touch()
            while not mark.with_name("go").exists():
                time.sleep(0.1)
        x = task.features(task.train)
        head = heads.fit_ridge(x, task.train.labels, len(task.class_names))
        return heads.HeadPredictor(head, task.features.num_stages)
    def restore(self, tensors, info, source):
        return heads.restore_head(tensors, info)

@hookimpl
def autotransfer_strategies():
    return [Slow()]
"""


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes with one core each; the driver is on a head without any."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as Ray spells it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Cluster()
        _add(found, num_cpus=0, include_dashboard=False)
        found.nodes = [_add(found, num_cpus=1) for _ in range(2)]
        ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
        yield found
        ray.shutdown()
        found.shutdown()


def _add(cluster: Any, **options: Any) -> Any:
    """Return a new node; Ray gives it half a minute to start, a busy machine may need more."""
    for _ in range(0 if _busy else ATTEMPTS):
        try:
            return cluster.add_node(**options)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    _busy.append("this machine is too busy: no node of Ray starts within half a minute")
    pytest.skip(_busy[0])


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / f"slow_{tmp_path.name}.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


@pytest.fixture
def context(tmp_path: Path) -> LabelledContext:
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    readers = tiny_readers(tmp_path / "cache")
    shortlist = (tiny_source(),)
    return LabelledContext(
        shapes(2, 6), (fold,), None, readers, metric_named("accuracy"), shortlist=shortlist
    )


def _spec(number: int, context: LabelledContext, strategy: Strategy, mood: str) -> TrialSpec:
    return TrialSpec(number, context.shortlist[0], strategy, {"mood": mood}, 0, None)


def test_a_killed_worker_and_a_killed_node_cost_no_trial(
    cluster: Any, context: LabelledContext, plugin: Path
) -> None:
    from autotransfer.search.executors.ray_cluster import RayExecutor

    strategy = discover(files=[plugin]).strategy("slow")
    executor = RayExecutor(
        WorkerContext.of(context, [plugin], 1 << 26), workers=None, address=None
    )
    try:
        assert executor.slots == 2
        executor.submit(_spec(0, context, strategy, "dies once"))
        (result,) = executor.wait()
        assert result.outcome.state is State.COMPLETE
        assert result.predictor is not None

        for number in (1, 2):
            executor.submit(_spec(number, context, strategy, "waits"))
        with ThreadPoolExecutor(1) as pool:
            waited = pool.submit(executor.wait)
            while len(list(plugin.parent.glob("pid-*"))) < 2:
                time.sleep(0.2)
            cluster.remove_node(cluster.nodes[1])
            (plugin.parent / "go").touch()
            found = [*waited.result()]
        while len(found) < 2:
            found += executor.wait()
        assert {r.outcome.number for r in found} == {1, 2}
        assert {r.outcome.state for r in found} == {State.COMPLETE}
        assert executor._lost == {0: 1, **dict.fromkeys(set(executor._lost) - {0}, 1)}
        assert len(executor._lost) == 2  # one trial was on the node that is gone
    finally:
        executor.close()


@pytest.mark.nightly
def test_a_trial_whose_actors_end_before_they_start_is_no_lost_trial(
    cluster: Any, context: LabelledContext, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotransfer.search.executors.ray_cluster import RayExecutor

    strategy = discover(files=[plugin]).strategy("slow")
    executor = RayExecutor(WorkerContext.of(context, [plugin], 1 << 26), workers=1, address=None)
    launch = executor._launch
    ended: list[Any] = []

    def launched_on_a_node_that_is_gone() -> None:
        launch()
        for flight in executor._flights.values():
            if len(ended) < 3:
                ended.append(flight)
                ray.kill(flight.actor)

    monkeypatch.setattr(executor, "_launch", launched_on_a_node_that_is_gone)
    try:
        executor.submit(_spec(0, context, strategy, "good"))
        (result,) = executor.wait()
        assert result.outcome.state is State.COMPLETE
        assert len(ended) == 3
        assert not executor._lost
    finally:
        executor.close()


@pytest.mark.kit
@pytest.mark.nightly
def test_a_fit_on_real_pictures_ends_when_one_of_two_nodes_is_killed(
    cluster: Any, kit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotransfer.search.executors.ray_cluster import RayExecutor

    lost: list[int] = []
    dead = RayExecutor._dead

    def noted(self: RayExecutor, flight: Any, error: Exception) -> Any:
        lost.append(flight.spec.number)
        return dead(self, flight, error)

    monkeypatch.setattr(RayExecutor, "_dead", noted)
    killers: list[threading.Thread] = []

    def say(text: str) -> None:
        if text.startswith("trial ") and not killers:  # others are under way now
            killers.append(threading.Thread(target=cluster.remove_node, args=(cluster.nodes[1],)))
            killers[0].start()

    selection = autotransfer.fit(
        kit / "data" / "hymenoptera.zip",
        sources=str(kit / "weights" / "catalogue.toml"),
        plugins=[kit / "weights" / "timm_extra.py"],
        source=["mobilenetv1-025-imagenet"],
        strategies=["feature-extraction", "fine-tune"],
        budget="3 trials",
        executor="ray",
        ensemble=False,
        refit=False,
        say=say,
    )
    killers[0].join()
    trials = [outcome for outcome in selection.outcomes if not outcome.probe]
    assert len(trials) == 3
    assert all(outcome.state is not State.FAILED for outcome in trials)
    assert len(set(lost)) == len(lost) <= 1, "a trial was lost that was not on the node"
    assert selection.verdict.decision == "positive"
