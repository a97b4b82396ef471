"""A fit whose verdict is about domains that were never seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.testing import shapes


@pytest.fixture
def _own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))


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
    assert run(
        ["rank", str(tmp_path / "target"), "--domain-column", ":folder",
         "--sources", str(catalogue), "--source", "tiny-0", "--source", "tiny-1", "--json"]
    ) == 0  # fmt: skip
    for row in json.loads(capsys.readouterr().out)["ranking"]:
        left_out = row["domains"]
        assert left_out["accuracies"].keys() == {"bright", "dark", "grey"}
        assert left_out["on_worst_domain"] == min(left_out["accuracies"].values())
        assert left_out["mean_over_domains"] == pytest.approx(
            np.mean(list(left_out["accuracies"].values()))
        )


@pytest.mark.usefixtures("_own_workspace")
def test_two_domains_end_with_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = shapes(2, 6)
    for i, label in enumerate(images.labels):
        folder = tmp_path / "target" / ("day", "night")[i % 2] / images.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        images[i].save(folder / f"{i}.png")
    for command in ("fit", "rank"):
        said = [command, str(tmp_path / "target"), "--domain-column", ":folder"]
        assert run([*said, "--sources", "small_cnn"]) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert told.startswith("autotransfer: there are 2 domain(s)")
        assert "at least 3 are needed" in told


@pytest.mark.usefixtures("_own_workspace")
def test_features_and_items_that_are_given_take_the_domain_of_each_item(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, domains = np.tile(["no", "yes"], 45), np.repeat([1, 2, 3], 30)
    x = np.column_stack([np.tile([0.0, 1.0], 45), rng.normal(size=(90, 3)).T[0]])
    selection = autotransfer.fit_features(
        {"one": x + 0.1 * rng.normal(size=x.shape), "noise": rng.normal(size=(90, 3))},
        y, domains=domains, trials=1, report=False,
    )  # fmt: skip
    assert [score.name for score in selection.verdict.domains] == ["1", "2", "3"]
    best = selection.ranking.rows[0]
    assert best.left_out is not None
    assert best.left_out.mean > 0.9
    assert "worst_domain" in selection.ranking.to_frame().columns
    saved = json.loads((Path(selection.record.model) / "selection.json").read_text("utf-8"))
    assert saved["ranking"]["rows"][0]["left_out"]["by_domain"].keys() == {"1", "2", "3"}
    with pytest.raises(InvalidOptionError, match="test cannot be given beside domains"):
        autotransfer.fit_features({"one": x}, y, test=({"one": x}, y), domains=domains)
