"""What every strategy owes the core, promise by promise."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial

import numpy as np
import optuna
import safetensors.torch
import torch

from autotransfer.data.modality import Modality
from autotransfer.errors import AutotransferError, DeadlineError
from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.space import SHARED_KNOBS, depth, learning_rate_multiplier, regularisation
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing.generators import disturbed_generators, generator_states
from autotransfer.plugin.testing.promises import BrokenPromiseError, DoesNotApply, Promise, demand
from autotransfer.plugin.testing.tiny import shapes, task_for
from autotransfer.plugin.testing.workbench import Workbench

_TOLERANCE = 1e-6
_KNOBS = dict(zip(SHARED_KNOBS, (learning_rate_multiplier, regularisation, depth), strict=True))


def _the_defaults_lie_inside_the_space(bench: Workbench) -> None:
    space = bench.strategy.space(bench.task().info)
    demand(
        space.contains(space.defaults()),
        f"the default point {space.defaults()} is outside the space",
    )


def _shared_knobs_keep_their_range(bench: Workbench) -> None:
    for name, parameter in bench.strategy.space(bench.task().info).parameters.items():
        if name in _KNOBS:
            demand(
                parameter.distribution == _KNOBS[name]().distribution,
                f"{name} has the range {parameter.distribution} of its own",
            )


def _a_row_an_item_sums_to_one(bench: Workbench) -> None:
    task, unseen = bench.task(), shapes(3, 2, seed=9)
    found = bench.fit(task).predict(unseen, task.features)
    expected = (len(unseen), len(task.class_names))
    demand(found.shape == expected, f"the shape is {found.shape}, not (n, K) = {expected}")
    demand(bool((found >= 0).all()), f"the smallest probability is {found.min():.3g}")
    sums = found.sum(axis=1)
    demand(
        bool(np.isfinite(found).all()) and bool(np.abs(sums - 1).max() <= _TOLERANCE),
        f"rows sum to between {sums.min():.6g} and {sums.max():.6g}",
    )


def _the_same_seed_gives_the_same_bits(bench: Workbench) -> None:
    task = bench.task()
    first = bench.fit(task).predict(task.train, task.features)
    with torch.random.fork_rng(devices=()):
        torch.rand(3)  # the global generator has moved on
        second = bench.fit(task).predict(task.train, task.features)
    demand(
        bool(np.array_equal(first, second)),
        f"two fits with one seed differ by up to {np.abs(first - second).max():.3g}",
    )


def _the_global_generators_are_left_alone(bench: Workbench) -> None:
    task = bench.task()
    with disturbed_generators():
        before = generator_states()
        bench.fit(task)
        after = generator_states()
    moved = [name for name, state in after.items() if state != before[name]]
    demand(not moved, f"{' and '.join(moved)} global generator was seeded or drawn from")


def _the_training_items_stay_as_they_are(bench: Workbench) -> None:
    task = bench.task()

    def content() -> list[bytes]:
        pixels = [task.train[i].tobytes() for i in range(len(task.train))]
        return [*pixels, task.train.labels.tobytes()]

    before = content()
    bench.fit(task)
    demand(content() == before, "training items or labels were changed in place")


def _two_classes_with_two_items_each_work(bench: Workbench) -> None:
    task = bench.task(2, 2)
    _all_rows(bench.fit(task), task)


def _one_item_a_class_works_or_is_refused_in_words(bench: Workbench) -> None:
    task = bench.task(2, 1)
    try:
        predictor = bench.fit(task)
    except AutotransferError as reason:
        demand(bool(str(reason)), f"{type(reason).__name__} was raised without a message")
    else:
        _all_rows(predictor, task)


def _all_rows(predictor: Predictor, task: Task) -> None:
    found = predictor.predict(task.train, task.features)
    expected = (len(task.train), len(task.class_names))
    demand(found.shape == expected, f"the shape is {found.shape}, not (n, K) = {expected}")
    demand(bool(np.isfinite(found).all()), "some probabilities are not finite")


def _what_is_saved_lies_on_the_cpu(bench: Workbench) -> None:
    tensors, _ = bench.fit(bench.task()).state()
    devices = {tensor.device.type for tensor in tensors.values()}
    demand(devices <= {"cpu"}, f"state() has tensors on {', '.join(sorted(devices))}")


def _a_saved_predictor_predicts_the_same(bench: Workbench) -> None:
    task = bench.task()
    predictor = bench.fit(task)
    tensors, info = predictor.state()
    content = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()})
    restored = bench.strategy.restore(
        safetensors.torch.load(content), json.loads(json.dumps(info)), task.source
    )
    gap = np.abs(
        restored.predict(task.train, task.features) - predictor.predict(task.train, task.features)
    ).max()
    demand(bool(gap <= _TOLERANCE), f"restored probabilities differ by up to {gap:.3g}")


def _pruning_passes_through(bench: Workbench) -> None:
    def prune(_progress: float, _predictor: Predictor, /) -> None:
        raise optuna.TrialPruned("enough")

    try:
        bench.fit(bench.task(), report=prune)
    except optuna.TrialPruned:
        return
    demand(
        not bench.strategy.trains, "fit went on to its end: nothing was reported, or it was caught"
    )


def _a_deadline_in_the_past_is_honoured(bench: Workbench) -> None:
    task, past = bench.task(), time.monotonic() - 1
    if not bench.strategy.trains:
        bench.fit(task, deadline=past)
        return
    try:
        bench.fit(task, deadline=past)
    except DeadlineError:
        return
    raise BrokenPromiseError("fit went on although the deadline was over")


def _training_items_are_predicted_better_than_chance(bench: Workbench) -> None:
    task = bench.task()
    found = bench.fit(task).predict(task.train, task.features)
    accuracy, chance = (found.argmax(axis=1) == task.train.labels).mean(), 1 / found.shape[1]
    demand(
        bool(accuracy > chance),
        f"{accuracy:.2f} of its own training items are right, chance is {chance:.2f}",
    )


def _it_works_on_all_items_that_it_says_it_reads(bench: Workbench) -> None:
    """Fit, save and restore on texts and on sounds, as far as the strategy says it reads them."""
    if bench.build is not task_for:
        raise DoesNotApply("its task is not the usual one")
    kinds = [kind for kind in (Modality.TEXT, Modality.SOUND) if bench.strategy.reads(kind)]
    if not kinds:
        raise DoesNotApply("it works on images alone")
    for kind in kinds:
        build, folder = partial(task_for, modality=kind), bench.folder / kind
        other = replace(bench, folder=folder, build=build)
        if bench.strategy.unfit(other.task(2, 3).info):
            continue
        _all_rows(other.fit(other.task(2, 3)), other.task(2, 3))
        _a_saved_predictor_predicts_the_same(other)


STRATEGY_PROMISES: tuple[Promise[Workbench], ...] = (
    Promise(
        _the_defaults_lie_inside_the_space,
        "give every parameter of space() a default within its range",
    ),
    Promise(
        _shared_knobs_keep_their_range,
        f"build {', '.join(SHARED_KNOBS)} with the functions of these names in "
        "autotransfer.plugin.parameters and choose only the default, or give your parameter "
        "another name",
    ),
    Promise(
        _a_row_an_item_sums_to_one,
        "return probabilities of the classes task.class_names from predict(): a softmax of "
        "the scores, in that order",
    ),
    Promise(
        _the_same_seed_gives_the_same_bits,
        "draw all that is random from a generator seeded with trial.seed: "
        "torch.Generator().manual_seed(trial.seed) or numpy.random.default_rng(trial.seed)",
    ),
    Promise(
        _the_global_generators_are_left_alone,
        "pass a generator of your own to all that is random; where a library draws from the "
        "global one, put it in `with torch.random.fork_rng(devices=()):`",
    ),
    Promise(
        _the_training_items_stay_as_they_are,
        "copy before you write: task.train[i].copy(), task.train.labels.copy()",
    ),
    Promise(
        _two_classes_with_two_items_each_work,
        "try fit() on four items of two classes; do not split them further",
    ),
    Promise(
        _one_item_a_class_works_or_is_refused_in_words,
        "try fit() on two items of two classes; where that cannot work, raise an error of "
        "autotransfer.plugin.errors that says why",
    ),
    Promise(_what_is_saved_lies_on_the_cpu, "call .cpu() on every tensor that state() returns"),
    Promise(
        _a_saved_predictor_predicts_the_same,
        "let state() return all that predict() reads, tensors in the first part and what "
        "json.dumps takes in the second, and let restore() put it back",
    ),
    Promise(
        _pruning_passes_through,
        "call trial.report(progress, predictor) while it trains and let optuna.TrialPruned "
        "through, or say `trains = False` where it trains no layer",
    ),
    Promise(
        _a_deadline_in_the_past_is_honoured,
        "pass limits=training.Limits(trial.deadline) to training.train, or raise "
        "errors.DeadlineError yourself when time.monotonic() is beyond trial.deadline",
    ),
    Promise(
        _training_items_are_predicted_better_than_chance,
        "see whether labels and columns are in the same order, and whether fit() learns at all "
        "at the default point",
    ),
    Promise(
        _it_works_on_all_items_that_it_says_it_reads,
        "name in `modalities` the kinds of items that it works on; read them through "
        "task.features, or as the kind they are: a text is a str, a sound has samples",
    ),
)
