"""One network that is listed at two sizes: two sources, although their weights are the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import autotransfer
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.selection.export.exporting import TOLERANCE, run_onnx

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("brief_report")

IN_A_FRESH_PROCESS = """
import numpy as np  # noqa: E402
import autotransfer

selection = autotransfer.load("model")
np.save("answers.npy", selection.predict_proba(np.load("images.npy")))
"""


@pytest.mark.nightly
def test_both_sizes_of_one_network_are_read_predicted_with_and_exported() -> None:
    pictures, labels = _noisy_bars(12, seed=1)
    small = tiny_source("small")
    enlarged = replace(small.preprocessing, input_size=48)
    selection = autotransfer.fit(
        (pictures, labels),
        sources=[small, replace(small, name="large", preprocessing=enlarged)],
        strategies=("mixture-of-probes",),  # whatever is returned reads both
        budget=autotransfer.Budget(trials=1),
        guard=False,
        tracking_uri="off",
        out="model",
        device="cpu",
    )
    scores = {row.source: row.estimators["logme"] for row in selection.ranking.rows}
    assert set(scores) == {"small", "large"}
    assert scores["small"] != scores["large"]
    kept = selection.kept
    assert kept.source is not None
    read = {s.name: s.preprocessing.input_size for s in (kept.source, *kept.predictor.companions)}
    assert read == {"small": 32, "large": 48}

    fresh, _ = _noisy_bars(3, seed=2)
    np.save("images.npy", fresh)
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS], check=True)
    answers = np.load("answers.npy")
    np.testing.assert_array_equal(answers, selection.predict_proba(fresh))
    selection.to_onnx("model.onnx")
    exported = run_onnx(Path("model.onnx"), [fresh])[0]
    assert np.abs(exported - answers).max() <= TOLERANCE
    assert np.ptp(answers, axis=0).min() > 0.5  # the images are told apart


def _noisy_bars(per_class: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (n, 32, 32, 3) images that are not told apart too easily, and their labels."""
    images, rng = shapes(3, per_class, seed=seed), np.random.default_rng(seed)
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    noisy = np.clip(pixels + rng.normal(0, 90, pixels.shape), 0, 255)
    return noisy.astype(np.uint8), images.labels
