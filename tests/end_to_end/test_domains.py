"""A fit whose verdict is about domains that were never seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotransfer.cli import run
from autotransfer.plugin.testing import shapes


@pytest.mark.usefixtures("brief_report")
def test_each_domain_is_left_out_and_three_of_them_claim_nothing(
    catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, domain in enumerate(("bright", "dark", "grey")):
        images = shapes(2, 8, seed=place)
        for i, label in enumerate(images.labels):
            folder = tmp_path / "target" / domain / images.class_names[label]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (np.asarray(images[i]) * (1 - 0.3 * place)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    said = run(
        ["fit", str(tmp_path / "target"), "--domain-column", ":folder",
         "--sources", str(catalogue), "--source", "tiny-0", "--strategy", "feature-extraction",
         "--trials", "1", "--json"]
    )  # fmt: skip
    assert said == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "inconclusive"
    assert {name: left["n"] for name, left in found["domains"].items()} == dict.fromkeys(
        ("bright", "dark", "grey"), 16
    )
    scores = {name: left["test"] for name, left in found["domains"].items()}
    assert found["worst_domain"] == min(scores, key=lambda name: scores[name])
    assert found["test"]["value"] == pytest.approx(np.mean(list(scores.values())))
    assert found["test"]["n"] == 3
    assert found["gap_reference"] is None
    assert "label_forecast" not in found
