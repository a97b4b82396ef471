"""From trials to the finalist, and what is trained and kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer import finishing as module
from autotransfer.ensemble import ENSEMBLE, Choice, EnsemblePredictor
from autotransfer.evaluation.metrics import metric_named
from autotransfer.finishing import Finalist, Finishing
from autotransfer.guard.majority import MajorityPredictor
from autotransfer.options import Options
from autotransfer.problem import Fold
from autotransfer.results import Outcome, State
from autotransfer.saved_predictor import Kept
from autotransfer.search.arms import Arms
from autotransfer.search.driver import trial_seed
from autotransfer.search.trial import Arena
from autotransfer.strategy import Predictor, Task, Trial
from autotransfer.testing import shapes, tiny_readers, tiny_source
from autotransfer.workspace import Place
from tests.unit.told import Teller, registry_of, told

IMAGES = shapes(2, 8)
LABELS = IMAGES.labels
N = len(LABELS)
FOLDS = tuple(
    Fold(
        train=np.flatnonzero(np.arange(N) % 2 != f),
        validation=np.flatnonzero(np.arange(N) % 2 == f),
    )
    for f in (0, 1)
)
HELD_OUT = np.concatenate([fold.validation for fold in FOLDS])
SHARES = MajorityPredictor(np.array([0.5, 0.5]))
CHECKPOINT = Kept(SHARES, "the checkpoint", baseline=True, source=None)
Answer = Callable[[Task, Trial], Predictor]


def _giving(right: float, hits: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the rows that give so much to the right class; to the wrong one where no hit is."""
    shares = np.full(N, right) if hits is None else np.where(hits, right, 1 - right)
    ones = np.where(LABELS == 1, shares, 1 - shares)
    return np.stack([1 - ones, ones], axis=1)


def _outcome(number: int = 7, **changes: object) -> Outcome:
    given: dict[str, object] = {"value": 0.9, "log_loss": 0.3, "fold_values": (0.9, 0.9)}
    return Outcome(number, "tiny", "teller", {}, State.COMPLETE, **(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def finishing(tmp_path: Path) -> Callable[..., Finishing]:
    """A function that returns what finishes a fit with a strategy and options."""

    def make(answer: Answer, **changes: object) -> Finishing:
        teller = Teller(answer)
        arena = Arena(IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy"))
        arena = replace(arena, class_weights=changes.pop("class_weights", None))  # type: ignore[arg-type]
        return Finishing(
            Arms((tiny_source(),), (teller,), {}),
            arena,
            Place("fit", tmp_path, tmp_path / "fit"),
            registry_of(teller),
            Options(**changes),  # type: ignore[arg-type]
            None,
        )

    return make


def _predicted(kept: Kept, made: Finishing) -> NDArray[np.float64]:
    return kept.predict(IMAGES, made.arena.reader_of(kept.source))


def _keep(finishing: Finishing, said: Mapping[int, NDArray[np.float64]]) -> None:
    """Write what trials said of the pictures, in the order in which the folds hold them out."""
    for number, rows in said.items():
        finishing.place.keep(_outcome(number), CHECKPOINT, rows[HELD_OUT])


def test_the_finalist_is_trained_on_every_search_picture(
    finishing: Callable[..., Finishing],
) -> None:
    seeds = []

    def answer(task: Task, trial: Trial) -> Predictor:
        seeds.append(trial.seed)
        return told(IMAGES, _giving(0.9))

    made = finishing(answer)
    kept = made.train(Finalist(_outcome(), {7: 1}), [_outcome()])
    teller = made.registry.strategy("teller")
    assert isinstance(teller, Teller)
    (task,) = teller.tasks
    assert task.train.digests == IMAGES.digests
    assert task.train.labels.tolist() == LABELS.tolist()
    assert seeds == [trial_seed(0, 7)]
    assert set(kept.seen) == set(IMAGES.digests)


def test_a_training_that_went_astray_is_replaced_by_the_checkpoint(
    finishing: Callable[..., Finishing], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "read_kept", lambda *_: CHECKPOINT)
    made = finishing(lambda *_: told(IMAGES, _giving(0.1)), say=said.append)
    finalist = Finalist(_outcome(), {7: 1})
    assert made.train(finalist, [_outcome()]).strategy == "teller"  # there is no checkpoint
    made.place.trial_folder(_outcome()).mkdir(parents=True)
    assert made.train(finalist, [_outcome()]).strategy == "the checkpoint"
    assert "went astray" in said[-1]


def test_a_training_astray_is_told_by_one_standard_error_on_the_first_fold(
    finishing: Callable[..., Finishing], monkeypatch: pytest.MonkeyPatch
) -> None:
    # three of four right were validated; one standard error on eight pictures is 0.153: five of
    # eight are within it, four are not
    monkeypatch.setattr(module, "read_kept", lambda *_: CHECKPOINT)
    found = []
    for wrong in (3, 4):
        hits = np.ones(N, dtype=bool)
        hits[FOLDS[0].validation[:wrong]] = False
        made = finishing(lambda *_, hits=hits: told(IMAGES, _giving(0.9, hits)))
        outcome = _outcome(fold_values=(0.75, 0.1))
        made.place.trial_folder(outcome).mkdir(parents=True, exist_ok=True)
        found.append(made.train(Finalist(outcome, {7: 1}), [outcome]).strategy)
    assert found == ["teller", "the checkpoint"]


def test_what_is_trained_keeps_the_temperature_and_the_class_weights(
    finishing: Callable[..., Finishing],
) -> None:
    # one to three for each class; class 1 counts three times: one to nine; softened: one to three
    rows = np.tile([0.25, 0.75], (N, 1))
    made = finishing(lambda *_: told(IMAGES, rows), class_weights=np.array([1.0, 3.0]))
    kept = made.train(Finalist(_outcome(), {7: 1}, temperature=2.0), [_outcome()])
    np.testing.assert_allclose(_predicted(kept, made), np.tile([0.25, 0.75], (N, 1)))
    assert (kept.temperature, kept.class_weights) == (2.0, (1.0, 3.0))


def test_the_temperature_of_a_trial_is_that_of_what_it_said_of_validation_pictures(
    finishing: Callable[..., Finishing],
) -> None:
    # nine to one, and three of four right: the root of nine is three
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)))
    _keep(made, {7: _giving(0.9, np.arange(N) % 8 < 6)})
    finalist = made.choose([_outcome()])
    assert finalist is not None
    assert finalist.weights == {7: 1}
    assert finalist.temperature == pytest.approx(2.0, rel=1e-3)


def test_members_count_as_often_as_they_were_chosen(finishing: Callable[..., Finishing]) -> None:
    rows = {trial_seed(0, 7): _giving(0.9), trial_seed(0, 3): _giving(0.3)}
    made = finishing(lambda _task, trial: told(IMAGES, rows[trial.seed]))
    together = replace(_outcome(9), strategy=ENSEMBLE)
    kept = made.train(Finalist(together, {7: 2, 3: 1}), [_outcome(3), _outcome(7)])
    assert isinstance(kept.predictor, EnsemblePredictor)
    np.testing.assert_allclose(_predicted(kept, made), _giving((2 * 0.9 + 0.3) / 3))


def test_an_ensemble_is_softened_as_the_weighted_mean_of_its_members_needs(
    finishing: Callable[..., Finishing], monkeypatch: pytest.MonkeyPatch
) -> None:
    # (2 x 0.95 + 0.8) / 3 = 0.9 to 0.1, three of four right: the root of nine is three
    hits = np.arange(N) % 8 < 6
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)))
    _keep(made, {7: _giving(0.95, hits), 3: _giving(0.8, hits)})
    choice = Choice({7: 2, 3: 1}, value=0.8, log_loss=0.5, gain=0.2, error=0.1)
    monkeypatch.setattr(module, "choose", lambda *_, **__: choice)
    finalist = made.choose([_outcome(3), _outcome(7)])
    assert finalist is not None
    assert finalist.weights == {7: 2, 3: 1}
    assert finalist.outcome.number == 8
    assert finalist.temperature == pytest.approx(2.0, rel=1e-3)
