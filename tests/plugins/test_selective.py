from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize

from autotransfer.models.heads import fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_selective import (
    GATES,
    Columns,
    Gates,
    Problem,
    SelectivePredictor,
    SelectiveTransfer,
    learn_gates,
)

Block = NDArray[np.float64]


def _gates(
    x: Block, labels: NDArray[np.int64], columns: Columns, kind: str, penalty: float
) -> Gates:
    return learn_gates(Problem(x.astype(np.float32), labels, 3, columns, kind), penalty)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return tiny_task(tmp_path_factory.mktemp("cache"))


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(task: Task, **params: Any) -> SelectivePredictor:
    strategy = SelectiveTransfer()
    point = {**strategy.space(task.info).defaults(), **params}
    assert strategy.space(task.info).contains(point)
    return strategy.fit(task, Trial(point, _ignore, None, 0))


def _standardised(x: Block) -> Block:
    standardised: Block = (x - x.mean(axis=0)) / x.std(axis=0)
    return standardised


def _half_noise(n: int = 200) -> tuple[Block, NDArray[np.int64]]:
    """Return (n, 20) features, of which the first ten know the class, and the labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    informative = rng.normal(size=(3, 10))[labels] + rng.normal(size=(n, 10))
    return _standardised(np.hstack([informative, rng.normal(size=(n, 10))])), labels


def _second_stage_knows(n: int = 120) -> tuple[list[Block], NDArray[np.int64]]:
    """Return three stages of other widths, of which the second knows the class, and the labels."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, n)
    blocks = [rng.normal(size=(n, d)) for d in (30, 10, 60)]
    blocks[1] += 1.5 * rng.normal(size=(3, 10))[labels]
    return [_standardised(block) for block in blocks], labels


def test_channels_of_noise_are_switched_off_and_most_that_inform_are_kept() -> None:
    x, labels = _half_noise()
    gates = _gates(x, labels, Columns.of([x]), "channels", 1e-2)
    left = gates.scales > 0
    assert not left[10:].any()
    assert left[:10].sum() >= 6


def test_without_a_price_every_gate_opens_and_the_head_is_the_ungated_one() -> None:
    x, labels = _half_noise()
    gates = _gates(x, labels, Columns.of([x]), "channels", 0.0)
    np.testing.assert_allclose(gates.scales, 1.0, atol=0.02)
    gated = fit_logistic(x * gates.scales, labels, 3, standardise=False)
    plain = fit_logistic(x, labels, 3, standardise=False)
    np.testing.assert_allclose(
        gated.probabilities(x * gates.scales), plain.probabilities(x), atol=0.01
    )


def test_the_mixture_finds_the_one_stage_that_knows_the_class() -> None:
    blocks, labels = _second_stage_knows()
    x, columns = np.hstack(blocks), Columns.of(blocks)
    mixture = _gates(x, labels, columns, "stages", 0.0).mixture
    assert mixture[1] > 0.8
    assert mixture.sum() == pytest.approx(1.0)


def test_no_other_mixture_has_a_lower_loss() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 120)
    blocks = [
        _standardised(strength * rng.normal(size=(3, d))[labels] + rng.normal(size=(120, d)))
        for d, strength in ((20, 0.4), (10, 0.7))
    ]
    x, columns = np.hstack(blocks), Columns.of(blocks)
    problem = Problem(x.astype(np.float32), labels, 3, columns, "stages")
    decay = 10 / len(x)
    start = np.zeros(sum(problem.sizes))

    def best_with(share: float) -> float:
        phi = np.log([share, 1 - share])

        def loss(unknowns: Block) -> tuple[float, Block]:
            value, gradient = problem.loss(np.r_[unknowns, phi], decay, 0.0)
            return value, gradient[:-2]

        return float(minimize(loss, start[:-2], jac=True, method="L-BFGS-B").fun)

    shares = np.linspace(0.02, 0.98, 25)
    losses = [best_with(share) for share in shares]
    found = _gates(x, labels, columns, "stages", 0.0).mixture
    assert best_with(float(found[0])) <= min(losses) + 1e-4
    assert found[0] == pytest.approx(shares[int(np.argmin(losses))], abs=0.05)


@pytest.mark.parametrize("kind", GATES)
def test_the_gradient_is_that_of_the_loss(kind: str) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 7)).astype(np.float32), rng.integers(0, 3, 12)
    problem = Problem(x, labels, 3, Columns.of([x[:, :2], x[:, 2:]]), kind)
    point = rng.normal(size=sum(problem.sizes))

    def value(unknowns: Block) -> float:
        return problem.loss(unknowns, 0.1, 0.01)[0]

    numeric = approx_fprime(point, value, 1e-3)
    np.testing.assert_allclose(problem.loss(point, 0.1, 0.01)[1], numeric, atol=2e-3)


def test_a_mixture_of_the_last_stage_alone_is_a_plain_probe_of_it() -> None:
    x = np.zeros((4, 5), dtype=np.float32)
    columns = Columns.of([x[:, :2], x[:, 2:]])
    problem = Problem(x, np.zeros(4, dtype=np.int64), 2, columns, "stages")
    np.testing.assert_allclose(problem.stage_scales(np.array([0.0, 1.0])), [0, 0, 1, 1, 1])
    # half of the mixture on each: sqrt(0.5 * 3 / 2) and sqrt(0.5)
    expected = [0.75**0.5] * 2 + [0.5**0.5] * 3
    np.testing.assert_allclose(problem.stage_scales(np.array([0.5, 0.5])), expected)


@pytest.mark.parametrize("kind", GATES)
def test_a_price_that_nothing_is_worth_still_leaves_a_channel(kind: str) -> None:
    x, labels = _half_noise(30)
    columns = Columns.of([x[:, :5], x[:, 5:]])
    gates = _gates(x, labels, columns, kind, 100.0)
    assert (gates.scales > 0).any()
    assert np.isfinite(gates.scales).all()


@pytest.mark.parametrize("gates", GATES)
def test_every_choice_predicts_and_is_restored(task: Task, gates: str) -> None:
    found = _fit(task, gates=gates)
    expected = found.predict(unseen := shapes(3, 4, seed=4), task.features)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0)
    tensors, info = found.state()
    copied = {name: torch.tensor(value.numpy()) for name, value in tensors.items()}
    restored = SelectiveTransfer().restore(copied, json.loads(json.dumps(info)), task.source)
    assert restored.state()[1] == info
    np.testing.assert_allclose(restored.predict(unseen, task.features), expected)


@pytest.mark.parametrize("gates", GATES)
def test_what_is_switched_off_is_said_and_not_read(task: Task, gates: str) -> None:
    found = _fit(task, gates=gates, depth=0.8, penalty=1e-3)
    num_stages = round(0.8 * task.features.num_stages)
    kept = found.state()[1]["kept"]
    assert len(kept) == num_stages
    assert found.stages == tuple(i + 1 for i, share in enumerate(kept) if share > 0)
    assert found.layers.stage == max(found.stages)
    if gates == "channels":
        assert found.mixture == ()
        read = (found.head.weight != 0).any(axis=0).sum()
        widths = [task.features(task.train, i + 1).shape[1] for i in range(num_stages)]
        assert read == pytest.approx(np.dot(kept, widths))
    else:
        assert sum(found.mixture) == pytest.approx(1.0)
        assert all(share == 0 for share, a in zip(kept, found.mixture, strict=True) if a == 0)
