"""What a fit hands to the guard: candidate, stand and terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer import guarding as module
from autotransfer.data.image_set import ImageSet
from autotransfer.dividing import Division
from autotransfer.evaluation.metrics import metric_named
from autotransfer.finishing import Finalist, Finishing
from autotransfer.guard.baselines import TrainedBaseline
from autotransfer.guard.bootstrap import LEVEL
from autotransfer.guard.judging import Candidate, Judgement, Opened, Terms
from autotransfer.guard.ledger import look
from autotransfer.guard.majority import MajorityPredictor
from autotransfer.guard.stand import OUT_OF_FOLD, SEALED, Stand
from autotransfer.guarding import Guarding, Judged
from autotransfer.options import Options
from autotransfer.problem import Fold
from autotransfer.results import Decision, Interval, Outcome, Ranking, State
from autotransfer.saved_predictor import Kept
from autotransfer.search.arms import Arms
from autotransfer.search.choice import Choice
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.search.trial import Arena
from autotransfer.strategy import Predictor, Task, Trial
from autotransfer.testing import shapes, tiny_readers, tiny_source
from autotransfer.unguarded import UNGUARDED
from autotransfer.workspace import Place
from tests.unit.told import Obvious, Teller, registry_of, told

IMAGES, SEALED_IMAGES = shapes(2, 6), shapes(2, 3, seed=1)
N = len(IMAGES)
FOLDS = tuple(
    Fold(
        train=np.flatnonzero(np.arange(N) % 3 != f),
        validation=np.flatnonzero(np.arange(N) % 3 == f),
    )
    for f in range(3)
)
HELD_OUT = np.concatenate([fold.validation for fold in FOLDS])
SHARES = Kept(MajorityPredictor(np.array([0.5, 0.5])), "majority", baseline=True, source=None)
GROUPS = tuple(f"patient {i // 2}" for i in range(N))
NO_PAIRS = np.empty((0, 2), dtype=np.int64)


SOURCES = (tiny_source("one"), tiny_source("two", seed=1))


class Handed(NamedTuple):
    """What the guard got at one look."""

    candidate: Candidate
    stand: Stand
    terms: Terms


class Looked(NamedTuple):
    """What the guard got at every look, what came of it, and what was trained."""

    looks: list[Handed]
    judged: Judged
    trained: list[str]


@dataclass
class _Guard:
    """Returns what it is told to, look by look, and notes what it got.

    Args:
        returns: "transfer" or "baseline" for each look.
    """

    returns: Sequence[str]
    looks: list[Handed] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)

    def open_test(self, stand: Stand, arena: Arena, *_: Any) -> Opened:
        self.opened.append(Opened(stand, arena, np.zeros((0, 2)), ()))
        return self.opened[-1]

    def guard(self, candidate: Candidate, opened: Opened, terms: Terms) -> Judgement:
        assert opened is self.opened[0]
        returned: Any = self.returns[len(self.looks)]
        self.looks.append(Handed(candidate, opened.stand, terms))
        verdict = replace(
            UNGUARDED,
            decision=Decision.INCONCLUSIVE,
            basis=opened.stand.basis,
            returned=returned,
            gap=Interval(-0.02 * len(self.looks), -0.125, 0.04, N),
            looks=terms.looks,
        )
        instead = TrainedBaseline("majority", np.zeros((0, 2)), whole=True, kept=SHARES, seconds=0)
        return Judgement(verdict, instead)


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Looked]:
    """A function that returns all looks for a division and what candidates have said.

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
        guarded = _Guard(returns)
        monkeypatch.setattr(module, "guard", guarded.guard)
        monkeypatch.setattr(module, "open_test", guarded.open_test)
        temperature = changes.pop("temperature", 1.0)
        arena = Arena(IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy"))
        arena = replace(arena, class_weights=changes.pop("class_weights", None))
        trained = list[str]()

        def answer(task: Task, _trial: Trial, name: str) -> Predictor:
            trained.append(f"{name} on {task.source.name}")
            said = _right(SEALED_IMAGES, hits=True) if finalist_says is None else finalist_says
            return told(SEALED_IMAGES, np.asarray(said)) if division.sealed else SHARES.predictor

        strategies = (
            Teller(partial(answer, name="teller")),
            Obvious(partial(answer, name="obvious")),
        )
        finishing = Finishing(
            Arms(SOURCES, strategies, {}),
            arena,
            Place("fit", tmp_path, tmp_path / "fit"),
            registry_of(*strategies),
            Options(**changes),
            None,
        )
        outcomes = []
        for number, (source, rows, *obvious) in enumerate(trials):
            name = "obvious" if obvious else "teller"
            outcome = Outcome(number, source, name, {}, State.COMPLETE, value=0.5)
            finishing.place.keep(outcome, SHARES, rows[HELD_OUT])
            outcomes.append(outcome)
        guarding = Guarding(
            finishing, division, SOURCES[0], Ranking((), ()), "shapes", None, lambda: shortlists
        )
        finalist = Finalist(outcomes[0], Choice({0: 1.0}), temperature)
        judged = guarding.judged(finalist, outcomes)
        return Looked(guarded.looks, judged, trained)

    return make


@pytest.fixture
def handed(looked: Callable[..., Looked]) -> Callable[..., Handed]:
    """A function that returns what the guard gets at the only look."""

    def make(*arguments: Any, **changes: Any) -> Handed:
        (only,) = looked(*arguments, **changes).looks
        return only

    return make


def _open() -> Division:
    return Division(IMAGES, None, GROUPS, NO_PAIRS, np.zeros(0, dtype=np.int64))


def _with_sealed(units: Sequence[int]) -> Division:
    return Division(IMAGES, SEALED_IMAGES, GROUPS, NO_PAIRS, np.array(units))


def _right(images: ImageSet, hits: NDArray[np.bool_] | bool) -> NDArray[np.float64]:  # noqa: FBT001
    """Return nine to one for the right class, or for the wrong one where no hit is."""
    sure = np.where(hits, 0.9, 0.1)
    ones = np.where(images.labels == 1, sure, 1 - sure)
    return np.stack([1 - ones, ones], axis=1)


def test_the_variance_of_out_of_fold_gaps_counts_a_fifth_more(
    handed: Callable[..., Handed],
) -> None:
    # what was measured is in docs/negative-transfer.md
    stand = handed(_open(), [("one", _right(IMAGES, hits=True))]).stand
    assert (stand.basis, stand.inflation) == (OUT_OF_FOLD, 1.2)


def test_out_of_fold_a_group_is_one_unit_wherever_its_pictures_are(
    handed: Callable[..., Handed],
) -> None:
    stand = handed(_open(), [("one", _right(IMAGES, hits=True))]).stand
    groups = [GROUPS[i] for i in HELD_OUT]
    same = np.equal.outer(stand.units, stand.units)
    assert same.tolist() == [[a == b for b in groups] for a in groups]
    assert not same.all()


def test_on_sealed_pictures_units_are_theirs_and_nothing_is_inflated(
    handed: Callable[..., Handed],
) -> None:
    says = _right(SEALED_IMAGES, hits=True)
    stand = handed(
        _with_sealed([4, 4, 5, 6, 7, 8]), [("one", _right(IMAGES, hits=True))], says
    ).stand
    assert stand.units.tolist() == [4, 4, 5, 6, 7, 8]
    assert (stand.basis, stand.inflation) == (SEALED, 1.0)


def test_on_sealed_pictures_the_candidate_is_weighted_then_softened(
    handed: Callable[..., Handed],
) -> None:
    # one to three; class 1 counts three times: one to nine; the root of nine is three
    says = np.tile([0.25, 0.75], (len(SEALED_IMAGES), 1))
    trials = [("one", _right(IMAGES, hits=True))]
    found = handed(
        _with_sealed(range(6)), trials, says, temperature=2.0, class_weights=np.array([1.0, 3.0])
    )
    np.testing.assert_allclose(found.candidate.probabilities, says)
    assert found.candidate.trials == {}


def test_a_trial_from_a_source_that_only_the_fold_itself_had_listed_is_not_chosen_for_it(
    handed: Callable[..., Handed],
) -> None:
    # the second trial is always right, but without the first fold its source had not been tried
    trials = [("one", _right(IMAGES, hits=False)), ("two", _right(IMAGES, hits=True))]
    shortlists = (("one",), ("one", "two"), ("one", "two"))
    said = handed(_open(), trials, shortlists=shortlists).candidate.probabilities
    hits = said.argmax(axis=1) == IMAGES.labels[HELD_OUT]
    assert hits.tolist() == [False] * len(FOLDS[0].validation) + [True] * (N - 4)


def test_the_trials_that_competed_are_the_candidates(handed: Callable[..., Handed]) -> None:
    trials = [("one", _right(IMAGES, hits=True)), ("two", _right(IMAGES, hits=False))]
    candidate = handed(_open(), trials).candidate
    assert candidate.competed == 2
    for number, (_, rows) in enumerate(trials):
        np.testing.assert_allclose(candidate.trials[number], rows[HELD_OUT], atol=1e-6)


def test_every_other_set_of_answers_on_the_same_pictures_lowers_the_level(
    handed: Callable[..., Handed], tmp_path: Path
) -> None:
    trials = [("one", _right(IMAGES, hits=True))]
    first = handed(_open(), trials)
    assert (first.terms.looks, first.terms.level) == (1, LEVEL)
    digests = IMAGES.subset(HELD_OUT).digests
    look(tmp_path / STORAGE_FILE, digests, np.full(N, 5), "another fit")
    third = handed(_open(), [("one", _right(IMAGES, hits=False))])
    assert (third.terms.looks, third.terms.level) == (3, LEVEL / 9)


def _unsupported(
    looked: Callable[..., Looked], division: Division, second: str = "transfer"
) -> Looked:
    """Return the looks where the finalist, always right, is not supported; the obvious is not."""
    return looked(
        division,
        [
            ("two", _right(IMAGES, hits=True)),
            ("one", _right(IMAGES, hits=np.arange(N) % 6 < 3), "obvious"),
        ],
        returns=("baseline", second),
        ensemble=False,
    )


def test_the_obvious_is_tested_where_the_finalist_is_not_supported(
    looked: Callable[..., Looked],
) -> None:
    found = _unsupported(looked, _open())
    first, second = found.looks
    assert not first.candidate.obvious
    assert second.candidate.obvious
    assert (first.candidate.probabilities.argmax(axis=1) == IMAGES.labels[HELD_OUT]).all()
    hits = second.candidate.probabilities.argmax(axis=1) == IMAGES.labels[HELD_OUT]
    assert hits.tolist() == (np.arange(N) % 6 < 3)[HELD_OUT].tolist()
    assert found.judged.finalist.outcome.strategy == "obvious"
    assert found.judged.kept.strategy == "obvious"
    assert found.trained == ["obvious on one"]


def test_the_second_look_has_a_quarter_of_the_error(looked: Callable[..., Looked]) -> None:
    first, second = _unsupported(looked, _open()).looks
    assert (first.terms.looks, first.terms.level) == (1, LEVEL)
    assert (second.terms.looks, second.terms.level) == (2, LEVEL / 4)


def test_on_sealed_pictures_both_are_trained_before_they_are_compared(
    looked: Callable[..., Looked],
) -> None:
    # both say the same of the sealed pictures, and the same answers again are no new look
    found = _unsupported(looked, _with_sealed(range(6)))
    assert [look.candidate.obvious for look in found.looks] == [False, True]
    assert [look.terms.looks for look in found.looks] == [1, 1]
    assert found.trained == ["teller on two", "obvious on one"]
    assert found.judged.kept.strategy == "obvious"


def test_the_verdict_says_what_was_tested_first(looked: Callable[..., Looked]) -> None:
    verdict = _unsupported(looked, _open()).judged.verdict
    (remark,) = (text for text in verdict.remarks if "not supported" in text)
    assert "the search chose teller on two" in remark
    assert "gap -2.0 points, 95 % interval -12.5 to 4.0" in remark


def test_a_baseline_is_returned_where_the_obvious_is_not_supported_either(
    looked: Callable[..., Looked],
) -> None:
    found = _unsupported(looked, _open(), second="baseline")
    assert len(found.looks) == 2
    assert found.judged.kept.baseline
    assert found.judged.finalist.outcome.strategy == "obvious"


def test_a_finalist_that_is_supported_is_looked_at_once(looked: Callable[..., Looked]) -> None:
    trials = [
        ("two", _right(IMAGES, hits=True)),
        ("one", _right(IMAGES, hits=False), "obvious"),
    ]
    found = looked(_open(), trials)
    assert len(found.looks) == 1
    assert found.judged.finalist.outcome.strategy == "teller"
    assert found.judged.kept.strategy == "teller"


def test_the_obvious_as_the_finalist_is_looked_at_once(looked: Callable[..., Looked]) -> None:
    trials = [("one", _right(IMAGES, hits=True), "obvious")]
    found = looked(_open(), trials, returns=("baseline",))
    (only,) = found.looks
    assert only.candidate.obvious
    assert found.judged.kept.baseline


def test_the_obvious_is_in_every_shortlist(handed: Callable[..., Handed]) -> None:
    # its source is on no shortlist; it stays the one to beat in every fold
    trials = [("one", _right(IMAGES, hits=True), "obvious"), ("two", _right(IMAGES, hits=False))]
    said = handed(_open(), trials, shortlists=(("two",),) * 3).candidate.probabilities
    assert (said.argmax(axis=1) == IMAGES.labels[HELD_OUT]).all()
