"""Two process slots against one process: the same trials, one thread each.

    python tests/benchmarks/throughput.py CATALOGUE IMAGES --source NAME [--plugin FILE]
        [--trials 20] [--rounds 3] [--images-each 150] [--side 96] [--epochs 4]

Runs the same fine-tuning trials inline and in two process slots, in turn, and prints the medians
of the wall times and their ratio. Workers and caches are warm: a slot costs its start once a fit,
which is printed beside it. Figures mean something only on a machine with two idle cores, so the
load of the machine is printed as well.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.results import State
from autotransfer.scenarios.inputs import (
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.scenarios.options import memory_of, read_options
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.executor import Executor, InlineExecutor
from autotransfer.search.executors.processes import ProcessExecutor
from autotransfer.search.executors.worker_context import WorkerContext
from autotransfer.search.trial import TrialSpec

SLOTS = 2
GOAL = 1.5


def seconds_of(executor: Executor, specs: Sequence[TrialSpec]) -> float:
    """Return the wall time of all trials."""
    began, waiting, running = time.perf_counter(), list(specs), 0
    while waiting or running:
        while waiting and running < executor.slots:
            executor.submit(waiting.pop(0))
            running += 1
        results = executor.wait()
        running -= len(results)
        for result in results:
            if result.outcome.state is not State.COMPLETE:
                raise SystemExit(f"a trial failed: {result.outcome.reason}")
    return time.perf_counter() - began


def prepared(given: argparse.Namespace) -> tuple[LabelledContext, WorkerContext, list[TrialSpec]]:
    """Return the context, the same for workers, and the trials: one for each seed."""
    chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
    registry = discover_plugins(chosen)
    opened = open_labelled(given.images, chosen)
    order = np.random.default_rng(0).permutation(len(opened.train))[: given.images_each]
    images, half = opened.train.subset(order), len(order) * 2 // 3
    fold = Fold(np.arange(half), np.arange(half, len(order)))
    context = LabelledContext(
        images, (fold,), None, make_readers(chosen), metric_named("accuracy")
    )
    (source,) = [
        replace(s, preprocessing=replace(s.preprocessing, input_size=given.side))
        for s in choose_sources(chosen, registry, len(opened.train)).sources
        if s.name == given.source
    ]
    strategy = registry.strategy("fine-tune")
    params = strategy.space(context.task(source, images).info).defaults()
    params |= {"epochs": given.epochs}
    specs = [TrialSpec(n, source, strategy, params, n, None) for n in range(given.trials)]
    return context, WorkerContext.of(context, given.plugin, memory_of(chosen)), specs


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue")
    parser.add_argument("images")
    parser.add_argument("--source", required=True)
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images-each", type=int, default=150)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    out = sys.stdout.write
    if len(os.sched_getaffinity(0)) < SLOTS:
        out(f"skipped: {SLOTS} cores are needed\n")
        return 0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUTOTRANSFER_CACHE"] = cache
        context, workshop, specs = prepared(given)
        inline, slots = InlineExecutor(context), ProcessExecutor(workshop, workers=SLOTS)
        slots._threads = 1  # on more cores than slots as well
        try:
            seconds_of(inline, specs[:1])
            start = seconds_of(slots, specs[:SLOTS])
            rounds = [
                (seconds_of(inline, specs), seconds_of(slots, specs)) for _ in range(given.rounds)
            ]
        finally:
            slots.close()
    alone, together = (median(times) for times in zip(*rounds, strict=True))
    out(f"{given.trials} trials, {given.rounds} rounds; load of the machine ")
    out(f"{os.getloadavg()[1]:.1f} on {os.cpu_count()} cores, ours included\n\n")
    out("| executor | median s |\n|---|---|\n")
    out(f"| inline | {alone:.1f} |\n| {SLOTS} slots | {together:.1f} |\n\n")
    out(f"throughput x {alone / together:.2f} (goal {GOAL}); start of the slots {start:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
