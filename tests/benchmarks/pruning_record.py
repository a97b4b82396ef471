"""Records real learning curves, for `pruning.py` to replay.

    python tests/benchmarks/pruning_record.py TABLE CATALOGUE IMAGES... --source NAME [...]
        [--plugin FILE] [--images-each 150] [--side 96] [--trials 40] [--minutes 30]

Runs trials of fine-tuning to their end, at random points of the default space, the defaults first,
and keeps in the folder TABLE (outside the repository) what a search sees of them: the calibrated
losses at every rung of three folds. It may be stopped at any time and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna

from autotransfer.data.splitting import make_folds
from autotransfer.models.metrics import metric_named
from autotransfer.scenarios.inputs import (
    choose_preset,
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.scenarios.options import read_options
from autotransfer.search.arms import Terms, arms_of
from autotransfer.search.cross_validation import LabelledContext, run_trial
from autotransfer.search.trial import TrialSpec

TUNE = "fine-tune"


def record(given: argparse.Namespace) -> None:
    """Fill the table until the time is over, target by target in turn."""
    until = time.monotonic() + 60 * given.minutes
    given.table.mkdir(parents=True, exist_ok=True)
    recorders = [_recorder(given, pictures) for pictures in given.images]
    for number in range(given.trials):
        for run in recorders:
            if time.monotonic() > until:
                sys.stderr.write("the time is over; run it again to go on\n")
                return
            run(number)


def _recorder(given: argparse.Namespace, pictures: str) -> Callable[[int], None]:
    chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
    registry = discover_plugins(chosen)
    opened = open_labelled(pictures, chosen)
    order = np.random.default_rng(17).permutation(len(opened.train))[: given.images_each]
    images = opened.train.subset(np.sort(order))
    folds = make_folds(images, seed=0)
    context = LabelledContext(images, folds, None, make_readers(chosen), metric_named("accuracy"))
    sources = [
        replace(s, preprocessing=replace(s.preprocessing, input_size=given.side))
        for s in choose_sources(chosen, registry, len(opened.train)).sources
        if s.name in given.source
    ]
    terms = Terms(len(images), len(images.class_names), 99, False, lambda _: True)  # noqa: FBT003
    preset = choose_preset(chosen, registry)
    arms, _ = arms_of(sources, [registry.strategy(TUNE)], preset, terms)
    space, strategy = arms.spaces[TUNE], arms.strategies[0]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def run(number: int) -> None:
        params = space.suggest(study.ask(), TUNE)
        source = sources[number % len(sources)]
        if number < len(sources):
            params = space.defaults()
        path = given.table / f"{opened.name}-{number:03d}.json"
        if path.exists():
            return
        result = run_trial(TrialSpec(number, source, strategy, params, number, None), context)
        outcome = result.outcome
        sys.stderr.write(
            f"{opened.name} {number}: {outcome.state} {outcome.value} "
            f"in {outcome.seconds:.0f} s {outcome.reason}\n"
        )
        path.write_text(
            json.dumps(
                {
                    "value": outcome.value,
                    "log_loss": outcome.log_loss,
                    "seconds": outcome.seconds,
                    "source": outcome.source,
                    "params": dict(outcome.params),
                    "losses": {s: v.round(4).tolist() for s, v in result.losses.items()},
                }
            ),
            encoding="utf-8",
        )

    return run


def main() -> int:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("catalogue")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--images-each", type=int, default=150)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=30.0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())
