"""A guard that says what it is told to, and a fit that is handed to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.guard import guard as module
from autotransfer.guard.baselines import Baselines, TrainedBaseline
from autotransfer.guard.comparison import Candidate, Opened, Terms
from autotransfer.guard.evaluation_split import EvaluationSplit
from autotransfer.guard.guard import Guard, Judged
from autotransfer.guard.verdict import UNGUARDED
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Decision, Interval, Outcome, Ranking, State, Verdict
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.choice import Choice
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.finalists import Finalist, Finalists
from autotransfer.search.run_folder import RunFolder
from tests.unit.told import Obvious, Teller, registry_of, told

IMAGES, HELD_OUT_IMAGES = shapes(2, 6), shapes(2, 3, seed=1)
N = len(IMAGES)
FOLDS = tuple(
    Fold(
        train=np.flatnonzero(np.arange(N) % 3 != f),
        validation=np.flatnonzero(np.arange(N) % 3 == f),
    )
    for f in range(3)
)
HELD_OUT = np.concatenate([fold.validation for fold in FOLDS])
SHARES = Checkpoint(
    MajorityPredictor(np.array([0.5, 0.5])), "majority", baseline=True, source=None
)
INSTEAD = TrainedBaseline(
    "majority", np.zeros((0, 2)), whole=True, kept=SHARES, seconds=0, rival=True
)
GROUPS = tuple(f"patient {i // 2}" for i in range(N))
NO_PAIRS = np.empty((0, 2), dtype=np.int64)
NOBODY = registry_of()
SOURCES = (tiny_source("one"), tiny_source("two", seed=1))


class Handed(NamedTuple):
    """What the guard got at one look."""

    candidate: Candidate
    split: EvaluationSplit
    chosen_by: EvaluationSplit
    terms: Terms


class Looked(NamedTuple):
    """What the guard got at every look, what came of it, and what was trained."""

    looks: list[Handed]
    judged: Judged
    trained: list[str]


@dataclass
class ScriptedGuard:
    """Returns what it is told to, look by look, and notes what it got.

    Args:
        returns: "transfer" or "baseline" for each look.
        baselines: What else the items are opened for.
    """

    returns: Sequence[str]
    baselines: tuple[TrainedBaseline, ...] = (INSTEAD,)
    looks: list[Handed] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)

    def open_test(
        self,
        split: EvaluationSplit,
        context: LabelledContext,
        _reference: Any,
        baselines: Baselines,
        *_: Any,
    ) -> Opened:
        """Note that the items were opened."""
        chosen_by = baselines.choosing or split
        self.opened.append(Opened(split, chosen_by, context, np.zeros((0, 2)), self.baselines))
        return self.opened[-1]

    def guard(self, candidate: Candidate, opened: Opened, terms: Terms) -> Verdict:
        """Return the verdict of this look."""
        assert opened is self.opened[0]
        returned: Any = self.returns[len(self.looks)]
        self.looks.append(Handed(candidate, opened.split, opened.chosen_by, terms))
        return replace(
            UNGUARDED,
            decision=Decision.INCONCLUSIVE,
            basis=opened.split.basis,
            returned=returned,
            gap=Interval(-0.02 * len(self.looks), -0.125, 0.04, N),
            looks=terms.looks,
        )


def open_division() -> Division:
    """Return a division without held-out items, in groups of two."""
    return Division(IMAGES, None, GROUPS, NO_PAIRS, np.zeros(0, dtype=np.int64))


def held_out_division(units: Sequence[int]) -> Division:
    """Return a division with six held-out items of these units."""
    return Division(IMAGES, HELD_OUT_IMAGES, GROUPS, NO_PAIRS, np.array(units))


def right(images: ImageSet, hits: NDArray[np.bool_] | bool) -> NDArray[np.float64]:  # noqa: FBT001
    """Return nine to one for the right class, or for the wrong one where no hit is."""
    sure = np.where(hits, 0.9, 0.1)
    ones = np.where(images.labels == 1, sure, 1 - sure)
    return np.stack([1 - ones, ones], axis=1)


def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Looked]:
    """Return a function that returns all looks for a division and what candidates have said.

    Candidates are numbered from 0; those whose strategy is obvious are told from the others by a
    third entry. The first one is the finalist.
    """

    def make(
        division: Division,
        trials: Sequence[tuple[Any, ...]],
        finalist_says: NDArray[np.float64] | None = None,
        shortlists: Sequence[Sequence[str]] = (),
        returns: Sequence[str] = ("transfer",),
        **changes: Any,
    ) -> Looked:
        guarded = ScriptedGuard(returns, changes.pop("baselines", (INSTEAD,)))
        monkeypatch.setattr(module, "guard", guarded.guard)
        monkeypatch.setattr(module, "open_test", guarded.open_test)
        monkeypatch.setattr(Finalists, "_expected", lambda *_: None)  # by one standard error
        temperature = changes.pop("temperature", 1.0)
        metric = metric_named(changes.pop("metric", "accuracy"))
        context = LabelledContext(IMAGES, FOLDS, None, tiny_readers(tmp_path), metric)
        context = replace(context, class_weights=changes.pop("class_weights", None))
        trained = list[str]()

        def answer(task: Task, _trial: Trial, name: str) -> Predictor:
            trained.append(f"{name} on {task.source.name}")
            said = right(HELD_OUT_IMAGES, hits=True) if finalist_says is None else finalist_says
            return (
                told(HELD_OUT_IMAGES, np.asarray(said)) if division.held_out else SHARES.predictor
            )

        strategies = (
            Teller(partial(answer, name="teller")),
            Obvious(partial(answer, name="obvious")),
        )
        margin, late = changes.pop("margin", None), changes.pop("late", False)
        finishing = Finalists(
            arms=Arms(SOURCES, strategies, {}),
            context=context,
            place=RunFolder("fit", tmp_path, tmp_path / "fit"),
            registry=registry_of(*strategies),
            deadline=None,
            **changes,
        )
        outcomes = []
        for number, (source, rows, *obvious) in enumerate(trials):
            name = "obvious" if obvious else "teller"
            outcome = Outcome(number, source, name, {}, State.COMPLETE, value=0.5)
            finishing.place.keep(outcome, SHARES, rows[HELD_OUT])
            outcomes.append(outcome)
        guarding = Guard(
            finishing,
            division,
            SOURCES[0],
            Ranking((), ()),
            "shapes",
            None,
            lambda: shortlists,
            margin,
        )
        finalist = Finalist(outcomes[0], Choice({0: 1.0}), temperature)
        *_, decided = guarding.decisions(finalist, outcomes)
        judged = guarding.finished(decided, outcomes, late=late)
        return Looked(guarded.looks, judged, trained)

    return make
