"""Ridge on several blocks of features: what one ridge says that reads them side by side."""

from __future__ import annotations

import numpy as np

from autotransfer.models.heads.joint_ridge import fit_joint_ridge
from autotransfer.models.heads.ridge import fit_ridge_held_out


def test_it_is_the_ridge_on_the_blocks_side_by_side() -> None:
    rng, labels = np.random.default_rng(0), np.arange(24) % 3
    blocks = [rng.normal(size=(24, d)) * (d / 10) + labels[:, None] for d in (4, 30)]
    beside = np.concatenate(blocks, axis=1)
    wanted = fit_ridge_held_out(beside, labels, 4, standardise=False)
    found = fit_joint_ridge(blocks, labels, 4)
    np.testing.assert_allclose(found.held_out, wanted.held_out, atol=1e-9)
    np.testing.assert_array_equal(found.testable, wanted.testable)
    parts = [head.logits(block) for head, block in zip(found.heads, blocks, strict=True)]
    logits = np.sum(parts, axis=0)
    np.testing.assert_allclose(logits[:, :3], wanted.head.logits(beside)[:, :3], atol=1e-7)
    assert (logits[:, 3] < logits[:, :3].min(axis=1) - 20).all()  # a class that does not occur


def test_two_blocks_that_are_the_same_are_one_of_twice_the_squared_length() -> None:
    rng, labels = np.random.default_rng(1), np.arange(12) % 2
    x = rng.normal(size=(12, 5)) + labels[:, None]
    found = fit_joint_ridge([x, x], labels, 2)
    wanted = fit_ridge_held_out(np.sqrt(2) * x, labels, 2, standardise=False)
    np.testing.assert_allclose(found.held_out, wanted.held_out, atol=1e-9)
    np.testing.assert_allclose(found.heads[0].weight, found.heads[1].weight)
