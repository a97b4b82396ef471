from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.zero_shot.eszsl import Decomposition, Eszsl
from autotransfer.models.zero_shot.left_out import LeftOut
from autotransfer_attribute_zero_shot.several_sources import MeanEvidence

Array = NDArray[np.float64]
GAMMAS, LAM = (0.7, 5.0), 1.3


def _two_sources() -> tuple[LeftOut, list[Array]]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 8)
    rows = rng.normal(size=(6, 5))
    seen = [
        rng.normal(size=(48, d)) + rows[labels] @ rng.normal(size=(5, d))
        for d in (10, 60)  # more features than images in one of them
    ]
    problems = [Eszsl.of(Decomposition.of(z), labels, rows) for z in seen]
    return LeftOut(MeanEvidence(problems, GAMMAS), labels, rows, (1.0,), (LAM,)), seen


def test_scores_of_left_out_classes_equal_the_mean_of_fits_without_them() -> None:
    left_out, seen = _two_sources()
    others = np.random.default_rng(5).normal(size=(3, 5))
    rest = [0, 2, 3, 5]
    kept = ~np.isin(left_out.labels, (1, 4))
    labels = np.searchsorted(rest, left_out.labels[kept])
    parts = [
        z[~kept] @ Eszsl.of(z[kept], labels, left_out.rows[rest]).compatibility(gamma, LAM)
        for z, gamma in zip(seen, GAMMAS, strict=True)
    ]
    expected = (parts[0] + parts[1]) / 2 @ others.T
    np.testing.assert_allclose(left_out.scores((1, 4), others), expected[None], atol=1e-8)


def test_exchanged_rows_equal_fitting_every_source_again_with_them() -> None:
    left_out, _ = _two_sources()
    table = np.vstack([left_out.rows, np.random.default_rng(8).normal(size=(3, 5))])
    drawn = np.stack([np.random.default_rng(s).permutation(9) for s in range(3)])
    pairs = [(0, 1), (2, 5), (3, 4)]
    found = left_out.exchanged(pairs, drawn, table)  # (3, 1)
    for n, order in enumerate(drawn):
        dealt = replace(left_out, rows=table[order[:6]])
        np.testing.assert_allclose(found[n], dealt.accuracies(pairs), atol=1e-12)
