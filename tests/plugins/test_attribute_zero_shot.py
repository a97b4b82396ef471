from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_sylvester
from scipy.special import expit

from autotransfer.errors import DeadlineError
from autotransfer.models.zero_shot.eszsl import Decomposition
from autotransfer_attribute_zero_shot.dap import fit_dap, logistic_attributes, platt
from autotransfer_attribute_zero_shot.embedding import fit_embedding
from autotransfer_attribute_zero_shot.head_task import HeadTask
from autotransfer_attribute_zero_shot.heads import HEADS, eszsl_left_out, fit_eszsl, fit_head
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.sae import DIRECTIONS, semantic_autoencoder
from autotransfer_attribute_zero_shot.scaling import (
    FEATURE_SCALINGS,
    feature_scaling,
    row_scaling,
    share_scaling,
)

Array = NDArray[np.float64]


def _task(seed: int = 0, **changes: object) -> tuple[HeadTask, Array, NDArray[np.int64], Array]:
    """Return ten classes to learn from, and images and rows of four others."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, size=(14, 6)).astype(float) + 0.1 * rng.normal(size=(14, 6))
    mixing = rng.normal(size=(6, 20))
    labels = np.repeat(np.arange(14), 12)
    z = rows[labels] @ mixing + 0.5 * rng.normal(size=(168, 20))
    z = (z - z.mean(axis=0)) / np.linalg.norm(z - z.mean(axis=0), axis=1).mean()
    learned = labels < 10
    fields = {"strength": 1.0, "seed": 0, "deadline": None, **changes}
    task = HeadTask(z[learned], labels[learned], rows[:10], **fields)  # type: ignore[arg-type]
    return task, z[~learned], labels[~learned] - 10, rows


@pytest.mark.parametrize("penalty", [0.1, 1.0, 20.0])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (12, 20)])
def test_the_autoencoder_equals_a_direct_solution_of_its_equation(
    penalty: float, n: int, d: int
) -> None:
    rng = np.random.default_rng(0)
    z, s = rng.normal(size=(n, d)), rng.normal(size=(n, 5))
    found = semantic_autoencoder(Decomposition.of(z), s, penalty)
    expected = solve_sylvester(s.T @ s, penalty * z.T @ z, (1 + penalty) * s.T @ z)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_head_tells_classes_apart_that_it_has_not_seen(head: str, direction: str) -> None:
    task, z, labels, rows = _task(direction=direction)
    scale = share_scaling(rows[:10]) if head == "dap" else row_scaling(rows, "centred")
    task = HeadTask(task.z, task.labels, scale.apply(rows[:10]), 1.0, 0, None, direction)
    towers = fit_head(head, task)
    found = towers.scores(z, scale.apply(rows[10:])).argmax(axis=1)
    assert (found == labels).mean() > 0.5  # chance is 0.25
    assert towers.scores(task.z, task.rows).std() == pytest.approx(1.0)


def test_what_attributes_add_sums_to_the_score() -> None:
    rng = np.random.default_rng(1)
    for unit_queries in (False, True):
        for unit_keys in (False, True):
            towers = Towers(
                rng.normal(size=(7, 3)), rng.normal(size=3), rng.normal(size=(4, 3)),
                unit_queries, unit_keys, 2.0,
            )  # fmt: skip
            z, y = rng.normal(size=(5, 7)), rng.normal(size=(6, 4))
            np.testing.assert_allclose(towers.parts(z, y).sum(axis=2), towers.scores(z, y))


def test_the_penalties_that_are_returned_are_those_of_the_chosen_candidate() -> None:
    task, z, _, rows = _task(strength=3.0)
    closed = eszsl_left_out(task, rows)
    scores, chosen = closed.scores, closed.chosen
    towers = fit_eszsl(task)
    kept = ~np.isin(task.labels, (2, 7))
    rest = np.setdiff1d(np.arange(10), (2, 7))
    from autotransfer.models.zero_shot.eszsl import Eszsl
    from autotransfer.models.zero_shot.left_out import LeftOut
    from autotransfer_attribute_zero_shot.heads import chosen_penalties

    gamma, lam = chosen_penalties(LeftOut.of(task.decomposition, task.labels, task.rows), task)
    whole = Eszsl.of(task.z, task.labels, task.rows).compatibility(3 * gamma, lam)
    ratio = towers.scores(z, rows) / (z @ whole @ rows.T)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)
    labels = np.searchsorted(rest, task.labels[kept])
    again = Eszsl.of(task.z[kept], labels, task.rows[rest]).compatibility(3 * gamma, lam)
    np.testing.assert_allclose(scores((2, 7))[chosen], task.z[~kept] @ again @ rows.T, atol=1e-8)


def test_logistic_attributes_find_the_shares_that_made_the_targets() -> None:
    rng = np.random.default_rng(0)
    x, beta = rng.normal(size=(400, 3)), rng.normal(size=(4, 2))
    targets = expit(x @ beta[:-1] + beta[-1])
    found = logistic_attributes(x, targets, np.ones(400), 1e-6)
    np.testing.assert_allclose(found, beta, atol=0.02)


def test_platt_silences_scores_that_say_nothing_and_keeps_those_that_do() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([[1.0, 1.0], [0.0, 0.0]], 40, axis=0)
    good = 2 * targets[:, 0] - 1 + 0.3 * rng.normal(size=80)
    wrong = -good
    slope, _ = platt(np.column_stack([good, wrong]), targets, np.full(80, 0.05))
    assert slope[0] > 1
    assert slope[1] == 0


def test_direct_attribute_prediction_works_without_calibration() -> None:
    task, z, labels, rows = _task()
    scale = share_scaling(rows[:10])
    towers = fit_dap(replace(task, rows=scale.apply(rows[:10])), [])
    assert (towers.scores(z, scale.apply(rows[10:])).argmax(axis=1) == labels).mean() > 0.5


def test_the_embedding_is_the_same_for_a_seed_and_leaves_the_generator_alone() -> None:
    task, _, _, rows = _task()
    before = torch.get_rng_state()
    first, again, other = (fit_embedding(replace(task, rows=rows[:10], seed=s)) for s in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first.queries, again.queries)
    assert not np.array_equal(first.queries, other.queries)


def test_the_embedding_honours_a_deadline() -> None:
    task, *_ = _task()
    with pytest.raises(DeadlineError):
        fit_embedding(replace(task, deadline=time.monotonic() - 1))


@pytest.mark.parametrize("kind", FEATURE_SCALINGS)
def test_scaled_features_are_centred_and_of_about_length_one(kind: str) -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 9))
    found = feature_scaling(x, kind).apply(x)
    assert np.linalg.norm(found, axis=1).mean() == pytest.approx(1.0, abs=0.05)
    assert abs(found.mean()) < 0.05


def test_rows_are_of_length_one_whatever_their_units() -> None:
    values = np.random.default_rng(0).uniform(0, 100, size=(8, 5))
    for kind in ("centred", "standardised"):
        scaled = row_scaling(values, kind).apply(values)
        np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 1.0)
    times = values * np.array([1, 10, 100, 0.1, 1])
    np.testing.assert_allclose(
        row_scaling(times, "standardised").apply(times),
        row_scaling(values, "standardised").apply(values),
    )
