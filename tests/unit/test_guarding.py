"""What a fit hands to the guard: candidate, stand and terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from autotransfer.guard.bootstrap import LEVEL
from autotransfer.guard.judging import Candidate, Terms
from autotransfer.guard.ledger import look
from autotransfer.guard.majority import MajorityPredictor
from autotransfer.guard.stand import OUT_OF_FOLD, SEALED, Stand
from autotransfer.guarding import Guarding
from autotransfer.options import Options
from autotransfer.problem import Fold
from autotransfer.results import Outcome, Ranking, State
from autotransfer.saved_predictor import Kept
from autotransfer.search.arms import Arms
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.search.trial import Arena
from autotransfer.testing import shapes, tiny_readers, tiny_source
from autotransfer.workspace import Place
from tests.unit.told import Teller, registry_of, told

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


class Handed(NamedTuple):
    """What the guard got."""

    candidate: Candidate
    stand: Stand
    terms: Terms


class _Enough(Exception):  # noqa: N818 - no error: the guard has been reached
    """The guard was called."""


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Handed]:
    """A function that returns what the guard gets for a division and what trials have said."""

    def guard(candidate: Candidate, stand: Stand, *rest: Any) -> None:
        raise _Enough(candidate, stand, rest[3])

    monkeypatch.setattr(module, "guard", guard)

    def make(
        division: Division,
        trials: Sequence[tuple[str, NDArray[np.float64]]],
        finalist_says: NDArray[np.float64] | None = None,
        shortlists: Sequence[Sequence[str]] = (),
        **changes: Any,
    ) -> Handed:
        temperature = changes.pop("temperature", 1.0)
        arena = Arena(IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy"))
        arena = replace(arena, class_weights=changes.pop("class_weights", None))
        teller = Teller(lambda *_: told(SEALED_IMAGES, np.asarray(finalist_says)))
        sources = (tiny_source("one"), tiny_source("two", seed=1))
        finishing = Finishing(
            Arms(sources, (teller,), {}),
            arena,
            Place("fit", tmp_path, tmp_path / "fit"),
            registry_of(teller),
            Options(**changes),
            None,
        )
        outcomes = []
        for number, (source, rows) in enumerate(trials):
            outcome = Outcome(number, source, "teller", {}, State.COMPLETE, value=0.5)
            finishing.place.keep(outcome, SHARES, rows[HELD_OUT])
            outcomes.append(outcome)
        guarding = Guarding(
            finishing, division, sources[0], Ranking((), ()), "shapes", None, lambda: shortlists
        )
        finalist = Finalist(outcomes[0], {0: 1}, temperature)
        with pytest.raises(_Enough) as caught:
            guarding.judged(finalist, outcomes)
        return Handed(*caught.value.args)

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
