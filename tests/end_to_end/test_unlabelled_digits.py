from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import autotransfer
from autotransfer.results import Decision

pytestmark = [pytest.mark.kit, pytest.mark.slow, pytest.mark.timeout(1800)]


def _some(path: Path, n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    arrays = np.load(path)
    chosen = np.random.default_rng(seed).permutation(len(arrays["x_train"]))[:n]
    return arrays["x_train"][chosen], arrays["y_train"][chosen]


def test_inverted_digits_are_called_unverified_and_never_a_success(kit: Path) -> None:
    x, y = _some(kit / "data" / "mnist.npz", 1200, 0)
    inverted = 255 - _some(kit / "data" / "mnist.npz", 800, 1)[0]
    selection = autotransfer.fit(
        inverted, source_data=(x, y), sources="small_cnn", budget="7 trials", seed=1
    )
    assert selection.verdict.decision is Decision.UNVERIFIED
    assert "proves" in selection.verdict.sentence
    assert selection.verdict.gap is None


def test_dann_gains_ten_points_on_digits_over_photographs(kit: Path) -> None:
    x, y = _some(kit / "data" / "mnist.npz", 3000, 0)
    target, truth = _some(kit / "data" / "mnistm.npz", 2500, 1)
    found = {}
    for number, method in enumerate(("source-only", "dann"), start=1):
        selection = autotransfer.fit(
            target,
            source_data=(x, y),
            sources="small_cnn",
            strategies=["source-only", "dann"][:number],
            budget=f"{number} trials",
        )
        assert selection.best.strategy == method
        chosen = np.array(selection.predict(target), dtype=np.int64)
        found[method] = (chosen == truth).mean()
    assert found["dann"] >= found["source-only"] + 0.1
