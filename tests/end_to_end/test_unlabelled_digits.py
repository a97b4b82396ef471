from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import autotransfer
from autotransfer.results import Decision

pytestmark = [pytest.mark.kit, pytest.mark.timeout(1800)]


def _some(path: Path, n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    arrays = np.load(path)
    chosen = np.random.default_rng(seed).permutation(len(arrays["x_train"]))[:n]
    return arrays["x_train"][chosen], arrays["y_train"][chosen]


@pytest.mark.parametrize(
    ("num_source", "num_target", "strategies", "trials"),
    [
        pytest.param(300, 200, ["source-only", "deep-coral"], 2, marks=pytest.mark.slow),
        pytest.param(1200, 800, None, 7, marks=pytest.mark.nightly),
    ],
)
def test_inverted_digits_are_called_unverified_and_never_a_success(
    kit: Path,
    tmp_path: Path,
    num_source: int,
    num_target: int,
    strategies: list[str] | None,
    trials: int,
) -> None:
    space = tmp_path / "short.toml"
    space.write_text("".join(f"[{name}]\neffort = 0.05\n" for name in strategies or ()))
    x, y = _some(kit / "data" / "mnist.npz", num_source, 0)
    inverted = 255 - _some(kit / "data" / "mnist.npz", num_target, 1)[0]
    selection = autotransfer.fit(
        inverted,
        source_data=(x, y),
        sources="small_cnn",
        strategies=strategies or (),
        space=str(space) if strategies else "default",
        budget=f"{trials} trials",
        seed=1,
    )
    assert selection.verdict.decision is Decision.UNVERIFIED
    assert "proves" in selection.verdict.sentence
    assert selection.verdict.gap is None


@pytest.mark.nightly
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
