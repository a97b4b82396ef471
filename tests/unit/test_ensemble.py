from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotransfer.data.target import open_images
from autotransfer.ensemble import ENSEMBLE, EnsemblePredictor, Member, choose
from autotransfer.evaluation.metrics import metric_named
from autotransfer.problem import ParamValue
from autotransfer.registry import discover
from autotransfer.saved_predictor import Kept, read_kept, write_kept
from autotransfer.strategy import Task, Trial
from autotransfer.testing import shapes, tiny_readers, tiny_source, tiny_task
from tests.unit.told import told

ACCURACY = metric_named("accuracy")


def _said(*shares: float) -> NDArray[np.float64]:
    """Return two-class predictions from the probability of class 1."""
    ones = np.array(shares)
    return np.stack([1 - ones, ones], axis=1)


def test_trials_that_err_on_different_pictures_are_combined() -> None:
    # every one is wrong on its own third, and less sure there than the other two are right
    labels = np.array([1, 1, 1, 0, 0, 0] * 10)
    trials = {
        0: np.tile(_said(0.4, 0.9, 0.9, 0.6, 0.1, 0.1), (10, 1)),
        1: np.tile(_said(0.9, 0.4, 0.9, 0.1, 0.6, 0.1), (10, 1)),
        2: np.tile(_said(0.9, 0.9, 0.4, 0.1, 0.1, 0.6), (10, 1)),
    }
    choice = choose(trials, labels, ACCURACY, seed=0)
    assert set(choice.weights) >= {0, 1}
    assert choice.value == 1.0
    assert choice.gain == pytest.approx(1 / 3)
    assert choice.worthwhile


def test_the_selection_is_that_of_a_hand_computed_example() -> None:
    # alone: 3/4 each; 0 with 1 stays at 3/4; 0 with 2 gives (.35, .55, .55, .35) -> 4/4
    labels = np.array([0, 1, 1, 0])
    trials = {
        0: _said(0.1, 0.9, 0.3, 0.1),
        1: _said(0.6, 0.6, 0.6, 0.4),
        2: _said(0.6, 0.7, 0.8, 0.4),
    }
    choice = choose(trials, labels, ACCURACY, seed=0)
    # the first is 2: of equal hits it has the lowest log loss; then 0 repairs its one mistake
    assert choice.weights == {2: 1, 0: 1}
    assert choice.value == 1.0


def test_a_gain_below_one_standard_error_is_refused() -> None:
    # of 200 pictures two are gained and one is lost: gain 1/200, standard error root 3 / 200
    labels = np.repeat([0, 1], 100)
    good = np.where(labels == 1, 0.7, 0.3)
    good[:20] = 0.7
    other = np.where(labels == 1, 0.69, 0.31)
    other[:20] = 0.71
    other[:2], other[50] = 0.05, 0.95  # the mean repairs two and spoils one
    other[60:62] = 0.6  # it is the worse of the two alone
    choice = choose({0: _said(*good), 1: _said(*other)}, labels, ACCURACY, seed=0)
    assert set(choice.weights) == {0, 1}
    assert choice.gain == pytest.approx(1 / 200)
    assert choice.error == pytest.approx(3**0.5 / 200, rel=0.2)
    assert not choice.worthwhile


def test_equal_trials_are_never_worth_combining() -> None:
    labels = np.array([0, 1] * 20)
    said = np.tile(_said(0.2, 0.4), (20, 1))
    choice = choose({0: said, 1: said.copy(), 2: said.copy()}, labels, ACCURACY, seed=0)
    assert choice.gain == 0.0
    assert not choice.worthwhile


@given(st.integers(0, 2**16), st.integers(2, 6), st.integers(4, 40))
def test_the_ensemble_is_never_worse_than_the_best_trial(seed: int, trials: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(2, size=n)])
    said = {t: _said(*rng.uniform(size=n + 2)) for t in range(trials)}
    choice = choose(said, labels, ACCURACY, seed=0)
    best = max(ACCURACY.score(labels, p) for p in said.values())
    assert choice.value >= best
    assert choice.gain == pytest.approx(choice.value - best)
    mean = sum(w * said[t] for t, w in choice.weights.items()) / sum(choice.weights.values())
    assert ACCURACY.score(labels, np.asarray(mean)) == pytest.approx(choice.value)


def _trained(task: Task, strategy: str, **params: ParamValue) -> Member:
    found = discover().strategy(strategy)
    point = {**found.space(task.info).defaults(), **params}
    trial = Trial(point, lambda _progress, _predictor: None, None, 0)
    return Member(strategy, task.source, 1, found.fit(task, trial))


def test_members_of_several_sources_come_back_from_disk(tmp_path: Path) -> None:
    first = tiny_task(tmp_path / "cache")
    other = tiny_source("other", seed=1)
    second = replace(first, source=other, features=first.features.of(other))
    stacked = replace(first, companions=(other, tiny_source("third", seed=2)))
    members = (
        _trained(first, "feature-extraction"),
        replace(_trained(second, "fine-tune", epochs=1), weight=2),
        _trained(stacked, "source-stacking"),
    )
    predictor = EnsemblePredictor(members)
    images = shapes(3, 4, seed=9)
    wanted = predictor.predict(images, first.features)
    parts = [
        m.predictor.predict(images, first.features.of(m.source))
        for m in members
        if m.source is not None
    ]
    np.testing.assert_allclose(wanted, (parts[0] + 2 * parts[1] + parts[2]) / 4)

    kept = Kept(predictor, ENSEMBLE, baseline=False, source=first.source)
    write_kept(tmp_path / "kept", kept)
    found = read_kept(tmp_path / "kept", discover())
    assert found.source is not None
    assert [s.name for s in found.predictor.companions] == [s.name for s in predictor.companions]
    again = found.predictor.predict(images, first.features.of(found.source))
    np.testing.assert_allclose(again, wanted, atol=1e-6)


def test_members_count_by_weight_after_they_were_softened_in_the_graph_as_well() -> None:
    # nine to one, softened: three to one, twice; and one to three, once: (2 x 3/4 + 1/4) / 3
    images = shapes(2, 2)
    sure, other = (told(images, np.tile(row, (4, 1))) for row in ([0.9, 0.1], [0.25, 0.75]))
    members = (Member("a", None, 2, sure, temperature=2.0), Member("b", None, 1, other))
    together = EnsemblePredictor(members)
    expected = np.tile([7 / 12, 5 / 12], (4, 1))
    nothing: Any = None
    np.testing.assert_allclose(together.predict(images, nothing), expected)
    np.testing.assert_allclose(together.traced(nothing).numpy(), expected)


def test_members_that_read_one_network_at_two_sizes_keep_their_sizes(tmp_path: Path) -> None:
    small = tiny_task(tmp_path / "cache")
    enlarged = replace(small.source.preprocessing, input_size=48)
    source = replace(small.source, name="large", preprocessing=enlarged)
    large = replace(small, source=source, features=small.features.of(source))
    members = tuple(
        _trained(task, "feature-extraction", head="logistic") for task in (small, large)
    )
    predictor = EnsemblePredictor(members)
    assert [s.name for s in predictor.sources] == ["tiny", "large"]
    stored = [member["sources"] for member in predictor.state()[1]["members"]]
    assert stored == [[0], [1]]

    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
    images = open_images(noise)
    parts = [m.predictor.predict(images, small.features.of(m.source)) for m in members if m.source]
    assert np.abs(parts[0] - parts[1]).max() > 0.1
    write_kept(tmp_path / "kept", Kept(predictor, ENSEMBLE, baseline=False, source=small.source))
    found = read_kept(tmp_path / "kept", discover())
    assert found.source is not None
    again = found.predict(images, tiny_readers(tmp_path / "fresh")[found.source])
    np.testing.assert_allclose(again, (parts[0] + parts[1]) / 2, atol=1e-6)


def test_an_ensemble_that_an_older_version_kept_answers_as_it_did(tmp_path: Path) -> None:
    # it took two sizes of a network for one source: both members point to the same
    task = tiny_task(tmp_path / "cache")
    member = _trained(task, "feature-extraction", head="logistic")
    predictor = EnsemblePredictor((member, replace(member, weight=2)))
    write_kept(tmp_path / "kept", Kept(predictor, ENSEMBLE, baseline=False, source=task.source))
    stored = json.loads((tmp_path / "kept" / "predictor.json").read_text(encoding="utf-8"))
    assert [member["sources"] for member in stored["info"]["members"]] == [[0], [0]]
    found = read_kept(tmp_path / "kept", discover())
    images = shapes(3, 4, seed=9)
    assert found.source is not None
    again = found.predict(images, tiny_readers(tmp_path / "fresh")[found.source])
    wanted = member.predictor.predict(images, task.features)
    np.testing.assert_allclose(again, wanted, atol=1e-6)
