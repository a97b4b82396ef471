"""Sources whose inputs are not the user's images: other channels, other sizes, other depths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autotransfer
from autotransfer.models.source import Source
from autotransfer.plugin.testing import tiny_source

pytestmark = pytest.mark.usefixtures("brief_report")


def _pictures(folder: Path) -> Path:
    """Return two classes of images: grey, RGB, RGBA, 16 bits and palette, all of other sizes."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 130)):
        (folder / name).mkdir(parents=True)
        for i in range(16):
            side = int(rng.integers(17, 90))
            grey = rng.integers(low, low + 90, (side, side + i), dtype=np.uint8)
            mode = ("L", "RGB", "RGBA", "I;16", "P")[i % 5]
            if mode == "I;16":
                picture = Image.fromarray(grey.astype(np.uint16) * 256)
            else:
                picture = Image.fromarray(grey).convert(mode)
            picture.save(folder / name / f"{i}.png")
    return folder


def _with_channels(num_channels: int) -> Source:
    plain = tiny_source(f"{num_channels} channels")
    return replace(plain, kwargs={**plain.kwargs, "in_chans": num_channels})


@pytest.mark.parametrize(("num_channels", "words"), [(1, "mean of red"), (5, "5 input channels")])
@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tune"])
def test_a_source_with_other_channels_is_used_and_the_adaptation_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_channels: int,
    words: str,
    strategy: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))
    selection = autotransfer.fit(
        _pictures(tmp_path / "photos"),
        sources=[_with_channels(num_channels)],
        strategies=[strategy],
        budget="1 trials",
        out="result",
    )
    assert words in selection.best.adaptation
    assert (selection.best.value or 0) > 0.6
    again = autotransfer.load("result")
    probabilities = again.predict_proba(tmp_path / "photos")
    np.testing.assert_allclose(probabilities, selection.predict_proba(tmp_path / "photos"))
