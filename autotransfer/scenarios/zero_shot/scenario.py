"""The steps of a fit that differ where some classes have no pictures, only attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autotransfer.data.attributes import Attributes, read_attributes
from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import NO_PAIRS
from autotransfer.data.target import Target, open_target
from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.plugin.registry import Registry
from autotransfer.results import Outcome, Setting, State
from autotransfer.scenarios.inputs import Problem, choose_sources, make_readers
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.zero_shot.class_folds import class_folds
from autotransfer.scenarios.zero_shot.guard import Findings, guard_described
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.trials import DescribedArena
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Kept
from autotransfer.search.driver import trial_seed
from autotransfer.search.trial import Arena

PER_CLASS = "balanced_accuracy"  # per-class top-1
METRICS = ("accuracy", PER_CLASS)
COMPETITORS = 4  # trials beside the finalist that the null takes the best of


def is_described(chosen: Options) -> bool:
    """Return whether the setting is `described`.

    Raises:
        InvalidOptionError: If the options contradict each other.
    """
    if chosen.attributes is None:
        if chosen.setting == Setting.DESCRIBED:
            raise InvalidOptionError(
                "--setting described needs a table of attributes; give it with --attributes CSV"
            )
        return False
    if chosen.setting not in (None, Setting.DESCRIBED):
        raise InvalidOptionError(
            f"--attributes is for the setting described, not {chosen.setting}; leave out one of "
            "the two"
        )
    return True


def described_options(chosen: Options) -> Options:
    """Return the options as this setting takes them: per-class top-1, and no ensemble.

    Raises:
        InvalidOptionError: If the metric cannot be used.
    """
    if chosen.metric not in METRICS:
        raise InvalidOptionError(
            f"--metric {chosen.metric}: with --attributes the metric is per-class top-1 "
            f"({PER_CLASS}); leave --metric out"
        )
    return replace(chosen, metric=PER_CLASS, ensemble=False)


def problem_of_descriptions(target: Any, chosen: Options, registry: Registry) -> Problem:
    """Return the problem of classes of which only some have pictures.

    Raises:
        InvalidTargetError: If the target or the table cannot be used.
    """
    opened = open_target(target, on_bad_image=chosen.on_bad_image, minimum_per_class=0)
    if not opened.labelled:
        raise InvalidTargetError(
            "the pictures lie in no class folders; with --attributes every class that has "
            "pictures needs a folder named as in the table"
        )
    counts = np.bincount(opened.train.labels, minlength=len(opened.class_names))
    seen = [name for name, count in zip(opened.class_names, counts, strict=True) if count]
    table = read_attributes(chosen.attributes, seen)
    tested = [] if opened.sealed is None else [name for name in opened.class_names
                                               if name not in table.class_names]  # fmt: skip
    if tested:
        raise InvalidTargetError(
            f"{chosen.attributes}: no row for {', '.join(tested)}, which has sealed pictures; add "
            "a row or remove the pictures"
        )
    notes = [*opened.notes, *table.notes]
    if opened.validation is not None:
        notes.append("the validation pictures are not used: the search holds out classes")
    for note in notes:
        chosen.say(note)
    relabelled = Target(
        opened.name,
        _relabelled(opened.train, table),
        None,
        None if opened.sealed is None else _relabelled(opened.sealed, table),
        table.seen,
        tuple(notes),
        opened.groups,
    )
    chosen.say(
        f"{table.num_seen} classes with pictures, {len(table.unseen)} without, "
        f"{len(table.names)} attributes"
    )
    sources = choose_sources(chosen, registry, relabelled)
    return Problem(relabelled, sources, make_readers(chosen), attributes=table)


def _relabelled(images: ImageSet, table: Attributes) -> ImageSet:
    """Return the pictures with labels as places in the table."""
    place = {name: i for i, name in enumerate(table.class_names)}
    labels = [place[images.class_names[label]] for label in images.labels]
    names = table.seen if max(labels) < table.num_seen else table.class_names
    return ImageSet(images, np.arange(len(images)), labels, names)


def divide_described(opened: Target) -> Division:
    """Return all pictures of seen classes for the search; sealed are the user's own, if any."""
    sealed = opened.train.subset([]) if opened.sealed is None else opened.sealed
    nobody = np.zeros(len(sealed), dtype=np.int64)
    return Division(opened.train, sealed, opened.groups, NO_PAIRS, nobody)


def table_fingerprint(table: Attributes | None) -> list[str]:
    """Return a hash of the table, in a list that is empty without one."""
    if table is None:
        return []
    digest = hashlib.sha256("\n".join((*table.class_names, *table.names)).encode())
    digest.update(table.values.tobytes())
    return [digest.hexdigest()]


def described_arena(arena: Arena, table: Attributes, seed: int) -> DescribedArena:
    """Return the arena in which classes are held out, not pictures."""
    folds = class_folds(arena.images.labels, len(table.unseen), seed=seed)
    fields = {**vars(arena), "folds": folds, "validation": None}
    return DescribedArena(**fields, attributes=table)


def judge_described(
    finalist: Outcome,
    kept: Kept,
    outcomes: Sequence[Outcome],
    arms: Arms,
    registry: Registry,
    arena: DescribedArena,
    sealed: ImageSet,
    chosen: Options,
    deadline: float | None,
) -> Findings:
    """Return the verdict on the finalist, beside the trials that it competed with."""

    def point(outcome: Outcome) -> Point:
        source = arms.source(outcome.source)
        strategy = registry.strategy(outcome.strategy)
        seed = trial_seed(chosen.seed, outcome.number)
        return Point(arena, source, strategy, dict(outcome.params), seed)

    others = [o for o in outcomes if o.state is State.COMPLETE and o.number != finalist.number]
    others.sort(key=lambda outcome: -(outcome.value or 0.0))
    return guard_described(
        kept,
        point(finalist),
        [point(outcome) for outcome in others[:COMPETITORS]],
        sealed if len(sealed) else None,
        value=finalist.value or 0.0,
        seed=chosen.seed,
        deadline=deadline,
        say=chosen.say,
    )
