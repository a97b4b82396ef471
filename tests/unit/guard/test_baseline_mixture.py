from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.errors import DeadlineError, ReducedBudgetWarning
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baseline_mixture import (
    LEAST,
    PRIOR,
    BaselineChoice,
    Mixture,
    calibrated_out_of_fold,
    choose_baseline,
    chosen_out_of_fold,
    fit_mixture,
)
from autotransfer.guard.baselines import Baselines, TrainedBaseline
from autotransfer.guard.evaluation_split import (
    HELD_OUT_ITEMS,
    OUT_OF_FOLD,
    EvaluationSplit,
    out_of_fold_split,
)
from autotransfer.guard.out_of_fold import PARTS, ROUNDS, dealt
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.baselines import MAJORITY, PIXELS, TOGETHER, UNTRAINED
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing.tiny import shapes, tiny_readers, tiny_source
from autotransfer.search.checkpoint import read_checkpoint, write_checkpoint
from autotransfer.search.cross_validation import LabelledContext

LABELS = np.array([0, 1] * 10)
ACCURACY = metric_named("accuracy")


def _sure(probability: float) -> np.ndarray:
    """Return predictions that give so much to the right class."""
    rows = np.full((len(LABELS), 2), 1 - probability)
    rows[np.arange(len(LABELS)), LABELS] = probability
    return rows


def test_equal_baselines_weigh_the_same() -> None:
    found = fit_mixture({"a": _sure(0.7), "b": _sure(0.7), "c": _sure(0.7)}, LABELS).weights
    assert found == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_a_baseline_weighs_the_pictures_that_it_explains_and_five_more() -> None:
    # one that is always wrong explains next to nothing, however much it is softened:
    # (20 + 5) of 30 items against 5 of 30
    found = fit_mixture({"right": _sure(1.0), "wrong": _sure(0.0)}, LABELS).weights
    total = len(LABELS) + 2 * PRIOR
    assert found == pytest.approx(
        {"right": (20 + PRIOR) / total, "wrong": PRIOR / total}, abs=0.03
    )


def test_what_weighs_next_to_nothing_is_left_out() -> None:
    many = np.tile(LABELS, 20)
    said = {"right": np.tile(_sure(1.0), (20, 1)), "wrong": np.tile(_sure(0.0), (20, 1))}
    assert PRIOR / (len(many) + 2 * PRIOR) < LEAST
    assert fit_mixture(said, many).weights == {"right": 1.0}


@given(st.integers(0, 2**16))
def test_the_labels_of_a_fold_do_not_weigh_for_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    folds = np.arange(len(LABELS)) % 2
    said = {name: rng.dirichlet([1, 1], size=len(LABELS)) for name in "abc"}
    other = np.where(folds == 1, 1 - LABELS, LABELS)
    found, again = (calibrated_out_of_fold(said, folds, labels)[0] for labels in (LABELS, other))
    np.testing.assert_array_equal(found[folds == 1], again[folds == 1])
    mixture = fit_mixture({n: p[folds == 0] for n, p in said.items()}, LABELS[folds == 0])
    np.testing.assert_allclose(found[folds == 1], mixture.mix(said)[folds == 1])


def _drawn(right_of: float, n: int = 90) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return a baseline that is right and hardly sure, three that err alike, and the labels."""
    labels = np.arange(n) % 2
    wrong = np.arange(n) >= right_of * n
    ours = np.where((labels == 1)[:, None], [[0.4, 0.6]], [[0.6, 0.4]])
    sure = np.where((labels == 1)[:, None] ^ wrong[:, None], [[0.1, 0.9]], [[0.9, 0.1]])
    return {"right": ours, **dict.fromkeys("abc", sure)}, labels


def test_one_alone_is_returned_where_it_is_clearly_better_than_the_mixture() -> None:
    said, labels = _drawn(0.9)  # nine of ninety, which is three standard errors
    folds = np.arange(len(labels)) % 3
    mixed = calibrated_out_of_fold(said, folds, labels)[0]
    assert ACCURACY.score(labels, mixed) == pytest.approx(0.9)
    found = choose_baseline(said, folds, labels, ACCURACY)
    assert (found.alone, found.best) == ("right", "right")
    assert found.scores == pytest.approx((1.0, 0.9))
    assert found.mixture.weights == {"right": 1.0}


def test_the_mixture_stays_where_one_is_better_by_luck() -> None:
    said, labels = _drawn(87 / 90)  # three of ninety, 1.7 standard errors
    folds = np.arange(len(labels)) % 3
    found = choose_baseline(said, folds, labels, ACCURACY)
    assert (found.alone, found.best) == ("", "right")
    assert found.mixture == fit_mixture(said, labels)


def test_what_belongs_together_is_no_further_proof_that_one_alone_is_better() -> None:
    said, labels = _drawn(0.9)
    folds, each = np.arange(len(labels)) % 3, np.arange(len(labels))
    assert choose_baseline(said, folds, labels, ACCURACY, each).clearly
    together = np.where(each < 81, each, 81)  # the nine that decide are one image nine times
    found = choose_baseline(said, folds, labels, ACCURACY, together)
    assert (found.clearly, found.alone) == (False, "")


def test_in_log_loss_one_alone_is_calibrated_as_the_mixture_is() -> None:
    # three of four right and far too sure: raw, it is worse than any mixture of softened answers
    labels = np.arange(400) % 2
    hits = np.arange(400) % 8 < 6
    ones = np.where((labels == 1) == hits, 0.999, 0.001)
    noise = np.where(np.random.default_rng(0).random(400) < 0.5, 0.6, 0.4)
    said = {name: np.stack([1 - p, p], axis=1) for name, p in (("sure", ones), ("noise", noise))}
    found = choose_baseline(said, np.arange(400) % 5, labels, metric_named("log_loss"))
    assert found.best == "sure"
    assert found.scores == pytest.approx((-0.5623,) * 2, abs=0.03)  # the entropy of 3/4


def test_what_alone_is_left_of_a_mixture_is_not_said_to_be_clearly_better() -> None:
    many = np.tile(LABELS, 20)
    said = {"right": np.tile(_sure(0.9), (20, 1)), "wrong": np.tile(_sure(0.1), (20, 1))}
    found = choose_baseline(said, np.arange(len(many)) % 4, many, ACCURACY)
    assert (found.alone, found.clearly) == ("right", False)


def test_what_is_chosen_for_an_item_does_not_hang_on_its_label() -> None:
    said, labels = _drawn(0.9)
    folds, units = np.arange(len(labels)) % 3, np.arange(len(labels)) // 2
    other = np.where(units == 5, 1 - labels, labels)  # nor on that of what belongs to it
    (found, _), (again, _) = (
        chosen_out_of_fold(said, folds, y, ACCURACY, units) for y in (labels, other)
    )
    np.testing.assert_array_equal(found[:, units == 5], again[:, units == 5])
    assert (found != again).any()


def test_the_rival_is_chosen_by_the_parts_that_choose_the_finalist() -> None:
    said, labels = _drawn(0.9)
    folds, units = np.arange(len(labels)) % 3, np.arange(len(labels)) // 2
    found, mixtures = chosen_out_of_fold(said, folds, labels, ACCURACY, units, seed=3)
    assert (len(found), len(mixtures)) == (ROUNDS, ROUNDS * PARTS)
    chosen = iter(mixtures)
    for place, parts in enumerate(dealt(units, len(labels), 3)):
        for part in range(PARTS):
            inside, mixture = parts != part, next(chosen)
            others = {name: p[inside] for name, p in said.items()}
            terms = (others, folds[inside], labels[inside], ACCURACY, units[inside])
            assert mixture == choose_baseline(*terms).mixture
            here = mixture.mix({name: p[~inside] for name, p in said.items()})
            np.testing.assert_array_equal(found[place, ~inside], here)


def test_where_nothing_was_learnt_the_class_shares_stand_for_all() -> None:
    labels = (np.arange(100) % 5 == 0).astype(np.int64)  # four of five are of the first class
    shares = np.tile([0.8, 0.2], (100, 1))
    guessed = np.random.default_rng(0).dirichlet([1, 1], size=(2, 100))
    said = {MAJORITY: shares, "a": guessed[0], "b": guessed[1]}
    found = choose_baseline(said, np.arange(100) % 3, labels, ACCURACY)
    assert (found.alone, found.clearly) == (MAJORITY, False)
    right = np.where((labels == 1)[:, None], [0.1, 0.9], [0.9, 0.1])
    better = choose_baseline({**said, "a": right}, np.arange(100) % 3, labels, ACCURACY)
    assert MAJORITY not in better.mixture.weights


def test_the_surest_does_not_decide_for_all() -> None:
    # right about 15 of 20 and sure of all; right about all 20 and less sure
    hits = np.arange(len(LABELS)) < 15
    sure = np.where(hits[:, None], _sure(0.999), _sure(0.001))
    said = {"sure": sure, "right": _sure(0.9)}
    found = fit_mixture(said, LABELS)
    assert found.temperatures["sure"] > 2
    assert found.temperatures["right"] < 0.8
    halves = {"sure": 0.5, "right": 0.5}
    plain = Mixture(halves, {"sure": 1.0, "right": 1.0}).mix(said)
    assert (plain.argmax(axis=1) == LABELS).mean() == 0.75
    calibrated = Mixture(halves, found.temperatures).mix(said)
    assert (calibrated.argmax(axis=1) == LABELS).all()


@pytest.fixture
def baselines(tmp_path: Path) -> Baselines:
    images = shapes(3, 6)
    context = LabelledContext(
        images,
        (),
        None,
        tiny_readers(tmp_path),
        metric_named("accuracy"),
        baselines=("majority", PIXELS, UNTRAINED),
    )
    cache = BaselineCache(discover(), tmp_path / "kept")
    return Baselines(context, tiny_source("finalist"), cache, 0, None)


def test_out_of_fold_the_baselines_stand_together_as_well(
    baselines: Baselines, tmp_path: Path
) -> None:
    images = baselines.context.images
    place = np.arange(len(images)) % 2
    folds = tuple(
        Fold(train=np.flatnonzero(place != fold), validation=np.flatnonzero(place == fold))
        for fold in range(2)
    )
    stand = out_of_fold_split(images, folds, np.arange(len(images)), 1.0)
    *single, together = baselines.on(stand)
    everything = {b.name: b.probabilities for b in single}
    said = {name: p for name, p in everything.items() if name != MAJORITY}
    assert (together.name, together.rival) == (TOGETHER, True)
    assert not any(b.rival for b in single)
    assert together.choice is not None
    mixture = together.choice.mixture
    terms = (everything, stand.folds, stand.labels, ACCURACY, stand.units)
    assert together.choice == choose_baseline(*terms)
    assert mixture == fit_mixture(said, stand.labels)
    np.testing.assert_array_equal(together.probabilities, chosen_out_of_fold(*terms)[0])

    left: Any = baselines.trained(together, single).predictor  # where there is no time to train
    fitted = {b.name: b.kept.predictor for b in single if b.kept is not None}
    assert all(member.predictor is fitted[member.strategy] for member in left.members)
    kept = baselines.trained(together)
    write_checkpoint(tmp_path / "model", kept)
    again = read_checkpoint(tmp_path / "model", discover())
    fresh = shapes(3, 2, seed=5)
    readers = [baselines.context.reader_of(k.source) for k in (kept, again)]
    answers = [k.predict(fresh, r) for k, r in zip((kept, again), readers, strict=True)]
    parts = {name: baselines.trained(next(b for b in single if b.name == name)) for name in said}
    expected = mixture.mix(
        {n: k.predict(fresh, baselines.context.reader_of(k.source)) for n, k in parts.items()}
    )
    np.testing.assert_allclose(answers[0], expected, atol=1e-6)
    np.testing.assert_allclose(answers[1], expected, atol=1e-6)


def test_a_baseline_that_stands_alone_is_returned_under_its_own_name(
    baselines: Baselines,
) -> None:
    choice = BaselineChoice(Mixture({PIXELS: 1.0}, {PIXELS: 0.5}), PIXELS, (1.0, 0.9))
    said = np.zeros((0, 3))
    alone = TrainedBaseline(TOGETHER, said, whole=True, kept=None, seconds=0.0, choice=choice)
    assert alone.returned == PIXELS
    kept = baselines.trained(alone)
    assert (kept.strategy, kept.temperature) == (PIXELS, 0.5)


def _searched(images: ImageSet) -> EvaluationSplit:
    """Return three folds of the search."""
    place = np.arange(len(images)) % 3
    divisions = [
        (images.subset(np.flatnonzero(place != f)), images.subset(np.flatnonzero(place == f)))
        for f in range(3)
    ]
    return EvaluationSplit(tuple(divisions), np.arange(len(images)), OUT_OF_FOLD)


def test_on_held_out_items_the_rival_is_chosen_by_the_folds_of_the_search(
    baselines: Baselines,
) -> None:
    images, sealed = baselines.context.images, shapes(3, 2, seed=3)
    split, choosing = (
        EvaluationSplit(((images, sealed),), np.arange(len(sealed)), HELD_OUT_ITEMS),
        _searched(images),
    )
    *single, rival = replace(baselines, choosing=choosing).on(split)
    assert [b.name for b in single] == [MAJORITY, PIXELS, UNTRAINED]
    said = {b.name: b.validated for b in single}
    assert all(len(p) == len(images) for p in said.values())
    choice = choose_baseline(said, choosing.folds, choosing.labels, ACCURACY, choosing.units)
    assert rival.choice == choice
    assert rival.returned == (choice.alone or TOGETHER)
    tested = {b.name: b.probabilities for b in single}
    np.testing.assert_allclose(rival.probabilities, choice.mixture.mix(tested))
    for baseline in single:  # what is tested has learnt from all that is open
        assert baseline.kept is not None
        again = baseline.kept.predict(sealed, baselines.context.reader_of(baseline.kept.source))
        np.testing.assert_allclose(baseline.probabilities, again, atol=1e-6)


def test_a_validation_split_of_the_users_own_chooses_the_rival(baselines: Baselines) -> None:
    images, own, sealed = baselines.context.images, shapes(3, 4, seed=7), shapes(3, 2, seed=3)
    choosing = EvaluationSplit(((images, own),), np.arange(len(own)), OUT_OF_FOLD)
    *single, rival = replace(baselines, choosing=choosing).on(
        EvaluationSplit(((images, sealed),), np.arange(6), HELD_OUT_ITEMS)
    )
    assert all(len(b.validated) == len(own) for b in single)
    assert rival.rival
    assert rival.choice is not None


def test_where_no_time_is_left_to_choose_the_rival_is_fixed_beforehand(
    baselines: Baselines, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, sealed = baselines.context.images, shapes(3, 2, seed=3)
    split, choosing = (
        EvaluationSplit(((images, sealed),), np.arange(len(sealed)), HELD_OUT_ITEMS),
        _searched(images),
    )
    baselines = replace(baselines, deadline=time.monotonic() + 100)
    monkeypatch.setattr(Baselines, "_go_on", _refuse)  # of three folds more, none fits
    with pytest.warns(ReducedBudgetWarning, match="no time was left") as told:
        *single, rival = replace(baselines, choosing=choosing).on(split)
    assert any("fixed beforehand" in str(warning.message) for warning in told)
    assert [b.name for b in single] == [MAJORITY]
    assert (rival.name, rival.rival, rival.choice) == (PIXELS, True, None)
    assert len(rival.probabilities) == len(sealed)
    assert rival.kept is not None


def _refuse(*_: object) -> None:
    raise DeadlineError("no")


def test_where_class_shares_are_all_that_there_is_no_time_is_said_to_be_missing(
    baselines: Baselines,
) -> None:
    images, held_out = baselines.context.images, shapes(3, 2, seed=3)
    split = EvaluationSplit(((images, held_out),), np.arange(len(held_out)), HELD_OUT_ITEMS)
    bare = replace(baselines.context, baselines=(MAJORITY,))
    *_, rival = replace(baselines, context=bare, choosing=_searched(images)).on(split)
    assert (rival.name, rival.rival) == (MAJORITY, True)
