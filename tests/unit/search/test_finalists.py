"""From trials to the finalist, and what is trained and kept of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.data.splitting import Fold
from autotransfer.errors import ReducedBudgetWarning
from autotransfer.models.backbone import load_backbone
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.models.predictors.ensemble import ENSEMBLE, EnsemblePredictor
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.need import Need
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search import finalists as module
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.choice import Choice, Terms
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.expected_gain import (
    IN_PLACE_OF_A_PROBE,
    OVER_A_MIXTURE,
    OVER_A_PROBE,
    Expected,
)
from autotransfer.search.finalists import Finalist, Finalists
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.trial import trial_seed
from tests.unit.told import Obvious, Teller, registry_of, told

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
CHECKPOINT = Checkpoint(SHARES, "the checkpoint", baseline=True, source=None)
ALONE = Choice({7: 1.0}, {7: 1.0})
TOGETHER = Choice({7: 2 / 3, 3: 1 / 3}, {7: 0.5, 3: 1.0}, gain=0.2, error=0.1, incumbent=3)
Answer = Callable[[Task, Trial], Predictor]


def _giving(right: float, hits: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the rows that give so much to the right class; to the wrong one where no hit is."""
    shares = np.full(N, right) if hits is None else np.where(hits, right, 1 - right)
    ones = np.where(LABELS == 1, shares, 1 - shares)
    return np.stack([1 - ones, ones], axis=1)


def _outcome(number: int = 7, **changes: object) -> Outcome:
    outcome = Outcome(
        number,
        "tiny",
        "teller",
        {},
        State.COMPLETE,
        value=0.9,
        log_loss=0.3,
        fold_values=(0.9, 0.9),
    )
    return replace(outcome, **changes)  # type: ignore[arg-type]


@pytest.fixture
def finishing(tmp_path: Path) -> Callable[..., Finalists]:
    """A function that returns what finishes a fit with a strategy and options."""

    def make(answer: Answer, **changes: object) -> Finalists:
        teller = Teller(answer)
        context = LabelledContext(
            IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy")
        )
        context = replace(context, class_weights=changes.pop("class_weights", None))  # type: ignore[arg-type]
        return Finalists(
            arms=Arms((tiny_source(),), (teller,), {}),
            context=context,
            place=RunFolder("fit", tmp_path, tmp_path / "fit"),
            registry=registry_of(teller),
            deadline=None,
            **changes,  # type: ignore[arg-type]
        )

    return make


def _predicted(kept: Checkpoint, made: Finalists) -> NDArray[np.float64]:
    return kept.predict(IMAGES, made.context.reader_of(kept.source))


def _keep(finishing: Finalists, said: Mapping[int, NDArray[np.float64]]) -> None:
    """Write what trials said of the items, in the order in which the folds hold them out."""
    for number, rows in said.items():
        finishing.place.keep(_outcome(number), CHECKPOINT, rows[HELD_OUT])


def test_the_finalist_is_trained_on_every_search_picture(
    finishing: Callable[..., Finalists],
) -> None:
    seeds = []

    def answer(task: Task, trial: Trial) -> Predictor:
        seeds.append(trial.seed)
        return told(IMAGES, _giving(0.9))

    made = finishing(answer)
    kept = made.train(Finalist(_outcome(), ALONE), [_outcome()])
    teller = made.registry.strategy("teller")
    assert isinstance(teller, Teller)
    (task,) = teller.tasks
    assert task.train.digests == IMAGES.digests
    assert task.train.labels.tolist() == LABELS.tolist()
    assert seeds == [trial_seed(0, 7)]
    assert set(kept.seen) == set(IMAGES.digests)


def test_a_training_that_failed_to_converge_is_replaced_by_the_checkpoint(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "read_checkpoint", lambda *_: CHECKPOINT)
    made = finishing(lambda *_: told(IMAGES, _giving(0.1)), say=said.append)
    finalist = Finalist(_outcome(), ALONE)
    assert made.train(finalist, [_outcome()]).strategy == "teller"  # there is no checkpoint
    made.place.trial_folder(_outcome()).mkdir(parents=True)
    assert made.train(finalist, [_outcome()]).strategy == "the checkpoint"
    assert "failed to converge" in said[-1]


def test_a_training_that_diverged_is_told_by_one_standard_error_on_the_first_fold(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    # three of four right were validated; one standard error on eight items is 0.153: five of
    # eight are within it, four are not
    monkeypatch.setattr(module, "read_checkpoint", lambda *_: CHECKPOINT)
    found = []
    for wrong in (3, 4):
        hits = np.ones(N, dtype=bool)
        hits[FOLDS[0].validation[:wrong]] = False
        made = finishing(lambda *_, hits=hits: told(IMAGES, _giving(0.9, hits)))
        outcome = _outcome(fold_values=(0.75, 0.1))
        made.place.trial_folder(outcome).mkdir(parents=True, exist_ok=True)
        found.append(made.train(Finalist(outcome, ALONE), [outcome]).strategy)
    assert found == ["teller", "the checkpoint"]


def test_what_is_trained_keeps_the_temperature_and_the_class_weights(
    finishing: Callable[..., Finalists],
) -> None:
    # one to three for each class; class 1 counts three times: one to nine; softened: one to three
    rows = np.tile([0.25, 0.75], (N, 1))
    made = finishing(lambda *_: told(IMAGES, rows), class_weights=np.array([1.0, 3.0]))
    kept = made.train(Finalist(_outcome(), ALONE, temperature=2.0), [_outcome()])
    np.testing.assert_allclose(_predicted(kept, made), np.tile([0.25, 0.75], (N, 1)))
    assert (kept.temperature, kept.class_weights) == (2.0, (1.0, 3.0))


def test_the_temperature_of_a_trial_is_that_of_what_it_said_of_validation_pictures(
    finishing: Callable[..., Finalists],
) -> None:
    # nine to one, and three of four right: the root of nine is three
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)))
    _keep(made, {7: _giving(0.9, np.arange(N) % 8 < 6)})
    finalist = made.choose([_outcome()])
    assert finalist is not None
    assert finalist.choice.weights == {7: 1.0}
    assert finalist.temperature == pytest.approx(2.0, rel=1e-3)


def test_members_have_the_weights_and_the_temperatures_of_the_choice(
    finishing: Callable[..., Finalists],
) -> None:
    # at temperature 1/2 three to one is nine to one: two thirds of .9 and a third of .3
    rows = {trial_seed(0, 7): _giving(0.75), trial_seed(0, 3): _giving(0.3)}
    made = finishing(lambda _task, trial: told(IMAGES, rows[trial.seed]))
    together = replace(_outcome(9), strategy=ENSEMBLE)
    kept = made.train(Finalist(together, TOGETHER), [_outcome(3), _outcome(7)])
    assert isinstance(kept.predictor, EnsemblePredictor)
    np.testing.assert_allclose(_predicted(kept, made), _giving((2 * 0.9 + 0.3) / 3))
    assert [share.weight for share in kept.members] == pytest.approx([2 / 3, 1 / 3])


def test_an_ensemble_is_softened_as_the_mean_of_its_softened_members_needs(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    # at temperature 1/2, s to one is s^2 to one: .95; two thirds of it and a third of .8 are .9,
    # three of four right: the root of nine is three
    hits = np.arange(N) % 8 < 6
    root = 19**0.5
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)))
    _keep(made, {7: _giving(root / (1 + root), hits), 3: _giving(0.8, hits)})
    monkeypatch.setattr(module, "choose", lambda *_: TOGETHER)
    finalist = made.choose([_outcome(3), _outcome(7)])
    assert finalist is not None
    assert finalist.choice == TOGETHER
    assert finalist.outcome.number == 8
    assert (finalist.outcome.params["gain"], finalist.outcome.params["standard_error"]) == (
        0.2,
        0.1,
    )
    assert finalist.temperature == pytest.approx(2.0, rel=1e-3)


def test_where_no_time_is_left_for_an_ensemble_the_one_to_beat_is_returned(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    made = replace(finishing(lambda *_: told(IMAGES, _giving(0.9)), say=said.append), deadline=0.0)
    _keep(made, {7: _giving(0.9), 3: _giving(0.8)})
    monkeypatch.setattr(module, "choose", lambda *_: TOGETHER)
    finalist = made.choose([_outcome(3), _outcome(7)])
    assert finalist is not None
    assert finalist.choice.weights == {3: 1.0}
    assert finalist.outcome.number == 3
    assert "no time to train it" in said[-1]


def test_the_choice_knows_the_folds_the_score_and_what_is_obvious(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Any, ...]] = []

    def choose(*arguments: Any) -> Choice:
        given.append(arguments)
        return ALONE

    monkeypatch.setattr(module, "choose", choose)
    made = _with_obvious(finishing(lambda *_: told(IMAGES, _giving(0.9)), seed=5))
    outcomes = [_outcome(-2, strategy="obvious"), _outcome(7)]
    _keep(made, {-2: _giving(0.9), 7: _giving(0.8)})
    made.choose(outcomes)
    ((said, folds, labels, terms),) = given
    assert set(said) == {-2, 7}
    np.testing.assert_allclose(said[7], _giving(0.8)[HELD_OUT], atol=1e-6)
    assert folds.tolist() == [0] * 8 + [1] * 8
    assert labels.tolist() == LABELS[HELD_OUT].tolist()
    assert terms.trained == {7}
    bare = replace(terms, trained=(), expected=None)
    assert bare == Terms(made.context.metric, (-2,), combine=True, temper=True, seed=5)


@pytest.mark.parametrize(
    ("needs", "combine", "expected"),
    [
        ({Need.COMPANIONS}, True, OVER_A_MIXTURE),
        ({Need.COMPANIONS}, False, OVER_A_MIXTURE),
        (set(), True, OVER_A_PROBE),
        (set(), False, IN_PLACE_OF_A_PROBE),
    ],
)
def test_what_is_expected_of_a_gain_depends_on_what_has_to_be_beaten(
    finishing: Callable[..., Finalists],
    needs: set[Need],
    combine: bool,  # noqa: FBT001 - pytest gives it
    expected: Expected,
) -> None:
    made = _with_obvious(finishing(lambda *_: told(IMAGES, _giving(0.9)), combine=combine))
    strategy = made.registry.strategies["obvious"]
    strategy.needs = frozenset(needs)  # type: ignore[misc]
    assert made.terms([_outcome(-2, strategy="obvious")]).expected is expected
    assert made.terms([_outcome(7)]).expected is None


def test_nothing_is_put_together_where_that_is_not_wanted(
    finishing: Callable[..., Finalists],
) -> None:
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)), combine=False)
    assert not made.terms([_outcome()]).combine


def test_the_obvious_that_is_there_comes_in_the_order_of_its_standing(
    finishing: Callable[..., Finalists],
) -> None:
    made = _with_obvious(finishing(lambda *_: told(IMAGES, _giving(0.9))))
    outcomes = [
        _outcome(-1, strategy="plainer"),
        _outcome(-2, strategy="obvious"),
        _outcome(-3, strategy="obvious", state=State.FAILED, value=None),
        _outcome(-4, strategy="obvious", unfit="weighs too much"),
        _outcome(-5, strategy="of a plugin that is gone"),
        _outcome(7),
    ]
    assert [outcome.number for outcome in made.obvious(outcomes)] == [-2, -1]


def test_the_obvious_is_trained_with_every_source_and_the_others_with_the_shortlist(
    finishing: Callable[..., Finalists],
) -> None:
    pool = (tiny_source(), tiny_source("second", seed=1), tiny_source("third", seed=2))
    made = _with_obvious(finishing(lambda *_: told(IMAGES, _giving(0.9))))
    made = replace(made, context=replace(made.context, shortlist=pool[:2], pool=pool))
    outcomes = [_outcome(-2, strategy="obvious"), _outcome(7)]
    for number in (-2, 7):
        finalist = Finalist(outcomes[number == 7], Choice({number: 1.0}))
        made.train(finalist, outcomes)
    read = []
    for name in ("obvious", "teller"):
        strategy = made.registry.strategy(name)
        assert isinstance(strategy, Teller)
        read += [[companion.name for companion in task.companions] for task in strategy.tasks]
    assert read == [["second", "third"], ["second"]]


def test_the_obvious_is_second_unless_it_is_the_finalist_and_no_fold_chooses_another(
    finishing: Callable[..., Finalists],
) -> None:
    made = _with_obvious(finishing(lambda *_: told(IMAGES, _giving(0.9))))
    outcomes = [_outcome(-2, strategy="obvious"), _outcome(7)]
    _keep(made, {-2: _giving(0.9, np.arange(N) % 8 < 6), 7: _giving(0.8)})
    second = made.second(Finalist(outcomes[1], ALONE), outcomes)
    assert second is not None
    assert second.outcome.number == -2
    assert second.temperature == pytest.approx(2.0, rel=1e-3)
    assert second.alone_in(2) == [{-2}, {-2}]
    assert Finalist(outcomes[1], ALONE).alone_in(2) == []
    assert made.second(second, outcomes) is None
    assert made.second(Finalist(outcomes[1], ALONE), outcomes[1:]) is None


def test_without_training_again_only_what_is_still_there_may_be_chosen(
    finishing: Callable[..., Finalists],
) -> None:
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)), refit=False)
    outcomes = [_outcome(n, value=n / 10) for n in range(2, 7)]
    for outcome in outcomes:
        made.place.keep(outcome, CHECKPOINT, _giving(0.9)[HELD_OUT])
    assert set(made.candidates(outcomes)) == {4, 5, 6}  # the checkpoints of the best three
    assert set(replace(made, refit=True).candidates(outcomes)) == {2, 3, 4, 5, 6}


def _with_obvious(made: Finalists) -> Finalists:
    """Return the same with two obvious strategies beside the teller, the plainer one second."""
    teller = made.registry.strategy("teller")
    assert isinstance(teller, Teller)
    plainer = Obvious(teller.answer)
    plainer.name, plainer.priority = "plainer", 20  # type: ignore[misc]
    return replace(made, registry=registry_of(teller, Obvious(teller.answer), plainer))


def test_a_training_without_time_leaves_the_checkpoint_and_says_so(
    finishing: Callable[..., Finalists], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_checkpoint", lambda *_: CHECKPOINT)
    end, outcome = time.monotonic() + 100, _outcome(seconds=1000.0)
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)), end=end)
    finalist = Finalist(outcome, ALONE)
    assert made.train(finalist, [outcome]).strategy == "teller"  # there is no checkpoint
    made.place.trial_folder(outcome).mkdir(parents=True)
    with pytest.warns(ReducedBudgetWarning, match="teller on tiny on all search items"):
        assert made.train(finalist, [outcome]).strategy == "the checkpoint"
    assert made.train(finalist, [_outcome(seconds=1.0)]).strategy == "teller"


@pytest.mark.parametrize(
    ("there", "strategy", "weights"),
    [((7, 3), ENSEMBLE, [2 / 3, 1 / 3]), ((3,), "the checkpoint", [1.0]), ((), "obvious", [1.0])],
)
def test_what_has_no_checkpoint_is_left_out_where_no_time_is_left_to_train_it(
    finishing: Callable[..., Finalists],
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[int, ...],
    strategy: str,
    weights: list[float],
) -> None:
    kept = replace(CHECKPOINT, source=tiny_source())
    monkeypatch.setattr(module, "read_checkpoint", lambda *_: kept)
    made = finishing(lambda *_: pytest.fail("a network was trained"), end=0.0)
    obvious = Obvious(lambda *_: SHARES)
    made = replace(made, registry=registry_of(made.registry.strategy("teller"), obvious))
    outcomes = [_outcome(7), _outcome(3), _outcome(5), _outcome(-1, strategy="obvious")]
    for number in there:
        made.place.trial_folder(_outcome(number)).mkdir(parents=True)
    three = Choice({7: 0.4, 3: 0.2, 5: 0.4})
    with pytest.warns(ReducedBudgetWarning) as told_of:
        kept = made.train(Finalist(_outcome(9), three), outcomes)
    assert kept.strategy == strategy
    assert [share.weight for share in kept.members] == pytest.approx(weights)
    assert "no time was left to train teller" in str(told_of[0].message)


def test_a_checkpoint_that_is_returned_reads_the_sources_of_the_fit_and_not_their_copies(
    finishing: Callable[..., Finalists], tmp_path: Path
) -> None:
    sources = tuple(_on_disk(tiny_source(name, seed=len(name)), tmp_path) for name in ("a", "bb"))
    made = finishing(lambda *_: told(IMAGES, _giving(0.9)), refit=False)
    made = replace(made, arms=Arms(sources[:1], (), {}, others=sources[1:]), registry=discover())
    outcome = _outcome(source="a", strategy="mean-of-probes")
    task = replace(made.context, shortlist=sources).task(sources[0], IMAGES)
    trial = Trial({}, lambda _progress, _predictor: None, None, 0)
    predictor = made.registry.strategy("mean-of-probes").fit(task, trial)
    kept = Checkpoint(predictor, "mean-of-probes", baseline=False, source=sources[0])
    made.place.keep(outcome, kept)
    again = made.train(Finalist(outcome, ALONE), [outcome])
    assert again.predictor.companions == sources[1:]
    shutil.rmtree(made.place.folder)
    readers = tiny_readers(tmp_path / "empty cache")
    np.testing.assert_allclose(
        again.predict(IMAGES, readers[sources[0]]), _predicted(kept, made), atol=1e-6
    )


def _on_disk(source: Source, folder: Path) -> Source:
    file = folder / f"{source.name}.safetensors"
    sha256 = write_state_dict(file, load_backbone(source).network.state_dict())
    return replace(source, weights=LocalWeights(file, sha256))
