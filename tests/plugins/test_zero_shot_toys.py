"""Where attributes carry over the verdict says so, and where they do not it claims nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.results import Decision
from autotransfer.scenarios.zero_shot.metrics import per_class_top1
from autotransfer.scenarios.zero_shot.pairwise_guard import judge_pairs
from autotransfer.scenarios.zero_shot.verdict import HELD_OUT, LEVEL, decide, verdict_of
from tests.plugins.zero_shot_toys import Toy, digits_toy, shapes_toy


def _unseen_top1(toy: Toy) -> float:
    """Return the score on the images of the unseen classes, which nothing has looked at."""
    point = toy.point()
    predictor = point.fit(point.context.images)
    towers = predictor.towers  # type: ignore[attr-defined]
    z = predictor.feature_scaling.apply(toy.features[~toy.seen])  # type: ignore[attr-defined]
    rows = toy.table.values[toy.table.num_seen :]
    scaled = predictor.row_scaling.apply(rows)  # type: ignore[attr-defined]
    unseen = np.array([name for name in toy.labels if name not in toy.table.seen])
    truth = np.array([toy.table.unseen.index(name) for name in unseen])
    return per_class_top1(truth, towers.scores(z, scaled).argmax(axis=1))


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_compositional_shapes_are_positive_and_unseen_ones_are_found(seed: int) -> None:
    toy = shapes_toy(seed)
    evidence = judge_pairs(toy.point(), [], seed=0, deadline=None)
    verdict = verdict_of(evidence)
    assert verdict.decision is Decision.POSITIVE
    assert verdict.basis == HELD_OUT
    assert verdict.returned == "transfer"
    assert evidence.pairs == 27 * 26 // 2
    assert verdict.test is not None
    assert verdict.test.n == 27
    assert _unseen_top1(toy) > 0.25  # chance is 0.11


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_claimed_for_digits_described_by_seven_segments(seed: int) -> None:
    evidence = judge_pairs(digits_toy(seed).point(), [], seed=0, deadline=None)
    assert decide(evidence) is not Decision.POSITIVE


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_claimed_for_rows_that_were_dealt_to_the_wrong_classes(seed: int) -> None:
    toy = digits_toy(seed)
    order = np.random.default_rng(1000 + seed).permutation(10)
    dealt = replace(toy, table=replace(toy.table, values=toy.table.values[order]))
    evidence = judge_pairs(dealt.point(), [], seed=0, deadline=None)
    assert evidence.p_value > LEVEL
