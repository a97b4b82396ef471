"""The main job on real images and real networks."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autotransfer
from autotransfer.cli import run
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover
from autotransfer.search.cross_validation import LabelledContext

pytestmark = [pytest.mark.kit, pytest.mark.slow, pytest.mark.timeout(900)]

USELESS = {
    "mobilenetv1-025-person",
    "mobilenetv1-050-face3d",
    "mobilenetv1-025-facedetect",
    "resnet20-cifar10",
    "resnet56-cifar10",
}


def _sources(kit: Path) -> list[str]:
    weights = kit / "weights"
    return [
        *("--sources", str(weights / "catalogue.toml")),
        *("--plugin", str(weights / "timm_extra.py")),
    ]


def _run(*arguments: str) -> dict[str, Any]:
    """Run a command in this process and return the object that it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def _run_afresh(*arguments: str) -> dict[str, Any]:
    """Run a command in a process of its own and return the object that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "autotransfer", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


FROZEN = ("--strategy", "feature-extraction", "--trials", "1")
MINUTES = ("--seconds", "240")


@pytest.mark.parametrize(
    ("name", "num_test", "least", "budget"),
    [
        ("hymenoptera", 153, 0.88, FROZEN),
        pytest.param("hymenoptera", 153, 0.88, MINUTES, marks=pytest.mark.nightly),
        pytest.param("flowers5", 250, 0.62, MINUTES, marks=pytest.mark.nightly),
    ],
)
def test_a_source_that_helps_is_found(
    kit: Path, name: str, num_test: int, least: float, budget: tuple[str, ...]
) -> None:
    pictures = str(kit / "data" / f"{name}.zip")
    found = _run("fit", pictures, *_sources(kit), *budget)
    assert found["verdict"] == "positive"
    assert found["returned"] == "transfer"
    assert found["test"]["n"] == num_test
    assert found["test"]["value"] >= least
    assert not USELESS & set(found["shortlist"])
    assert len(found["ranking"]) == 15
    assert sorted(row["rank"] for row in found["ranking"]) == list(range(1, 16))
    plugin = ("--plugin", str(kit / "weights" / "timm_extra.py"))
    rows = _run("predict", found["model"], pictures, *plugin)["predictions"]
    again = _run_afresh("predict", found["model"], pictures, *plugin)["predictions"]
    assert [row["image"] for row in rows] == [row["image"] for row in again]
    for row, other in zip(rows, again, strict=True):
        for label, share in row["probabilities"].items():
            assert share == pytest.approx(other["probabilities"][label], abs=1e-6)
    tested = [row for row in rows if row["image"].startswith(("val/", "test/"))]
    hits = [row["image"].split("/")[1] == row["class"] for row in tested]
    assert np.mean(hits) == pytest.approx(found["test"]["value"])


@pytest.mark.nightly
def test_python_and_the_command_line_find_the_same(kit: Path, tmp_path: Path) -> None:
    target = str(kit / "data" / "hymenoptera.zip")
    only = ["mobilenetv1-025-imagenet", "mobilenetv1-025-person"]
    options = ["--source", only[0], "--source", only[1], "--strategy", "feature-extraction"]
    found = _run(
        "fit", target, *_sources(kit), *options, "--trials", "6", "--name", "cli", "--no-report"
    )
    selection = autotransfer.fit(
        target,
        sources=str(kit / "weights" / "catalogue.toml"),
        source=only,
        strategies=["feature-extraction"],
        plugins=[kit / "weights" / "timm_extra.py"],
        budget=autotransfer.Budget(trials=6),
        report=False,
        name="python",
    )
    assert selection.best.source == found["source"]
    assert dict(selection.best.params) == found["params"]
    assert selection.verdict.decision == found["verdict"]
    assert selection.verdict.test is not None
    assert selection.verdict.test.value == pytest.approx(found["test"]["value"])


@pytest.mark.filterwarnings("ignore::autotransfer.errors.NegativeTransferWarning")
@pytest.mark.parametrize(
    ("name", "seeds", "strategies", "trials"),
    [
        ("hymenoptera", 1, ["feature-extraction"], 1),
        pytest.param("flowers5", 3, None, 6, marks=pytest.mark.nightly),
    ],
)
def test_with_a_harmful_source_alone_what_is_returned_is_no_worse_than_the_baselines(
    kit: Path, name: str, seeds: int, strategies: list[str] | None, trials: int
) -> None:
    archive = kit / "data" / f"{name}.zip"
    place, test = f"zip://train::{archive}", open_target(str(archive)).held_out
    assert test is not None
    registry = discover(files=[kit / "weights" / "timm_extra.py"])
    losses = []
    for seed in range(seeds):
        selection = autotransfer.fit(
            place,
            sources=str(kit / "weights" / "catalogue.toml"),
            source=["mobilenetv1-025-person"],
            plugins=[kit / "weights" / "timm_extra.py"],
            strategies=strategies or (),
            budget=autotransfer.Budget(trials=trials),
            seed=seed,
            name=f"person-{seed}",
            report=False,
        )
        returned = np.mean(selection.predict_proba(test).argmax(axis=1) == test.labels)
        pictures = open_target(place).train
        readers = FeatureReaders(
            FeatureStore(), PixelStore(1 << 28), load_backbone, torch.device("cpu")
        )
        context = LabelledContext(pictures, (), None, readers, metric_named("accuracy"))
        source = _source_of(kit, "mobilenetv1-025-person")
        baselines = Baselines(context, source, BaselineCache(registry), seed, None)
        stand = EvaluationSplit(((pictures, test),), np.arange(len(test)), HELD_OUT_ITEMS)
        best = max(
            float(np.mean(b.probabilities.argmax(axis=1) == test.labels))
            for b in baselines.on(stand)
            if not b.rival
        )
        losses.append(best - float(returned))
    assert np.mean(losses) <= 0.02, losses


def _source_of(kit: Path, name: str) -> Source:
    from autotransfer.models.catalogue import resolve_sources

    found = resolve_sources(str(kit / "weights" / "catalogue.toml"), only=[name])
    return found.sources[0]


@pytest.mark.parametrize(
    "name",
    [
        "hymenoptera",
        *(pytest.param(n, marks=pytest.mark.nightly) for n in ("flowers5", "eurosat")),
    ],
)
def test_no_useless_source_is_in_the_shortlist(kit: Path, name: str) -> None:
    found = _run("rank", str(kit / "data" / f"{name}.zip"), *_sources(kit))
    assert 3 <= len(found["shortlist"]) <= 5
    assert not USELESS & set(found["shortlist"])
    assert [row["rank"] for row in found["ranking"]] == list(range(1, 16))
    assert found["constant_choice"].endswith("-imagenet")
    useless = [row["rank"] for row in found["ranking"] if row["source"] in USELESS]
    assert min(useless) > 10
    keys = {
        *("source", "rank", "rank_low", "rank_high", "score"),
        *("stage", "estimators", "seconds", "megabytes"),
    }
    assert set(found["ranking"][0]) == keys
    for row in found["ranking"]:
        assert row["rank_low"] <= row["rank"] <= row["rank_high"]


@pytest.mark.nightly
def test_photographs_and_sketches_are_far_apart_and_two_halves_near(kit: Path) -> None:
    pacs = kit / "data" / "pacs.zip"
    one = ("--source", "mobilenetv1-100-imagenet")
    far = _run("distance", f"zip://photo::{pacs}", f"zip://sketch::{pacs}", *_sources(kit), *one)
    assert far["sentence"].startswith("The two sets are far apart")
    near = _run("distance", f"zip://photo::{pacs}", f"zip://photo::{pacs}", *_sources(kit), *one)
    assert near["sentence"].startswith("The two sets are near")
    assert near["warnings"] == ["280 image(s) are in both sets"]


def test_the_catalogue_is_right_and_a_planted_fault_is_found(kit: Path, tmp_path: Path) -> None:
    pictures = f"zip://all::{kit / 'data' / 'imagenet_sample.zip'}"
    weights = kit / "weights"
    text = (weights / "catalogue.toml").read_text()
    entry = next(
        part for part in text.split("[[source]]") if 'name = "mobilenetv1-050-imagenet"' in part
    )
    entry = re.sub(r'(weights|class_names) = "([^"]+)"', rf'\1 = "{weights}/\2"', entry)
    wrong = re.sub(r"(mean|std) = \[.*\]", r"\1 = [0.0, 0.0, 0.0]", entry)
    wrong = wrong.replace("std = [0.0, 0.0, 0.0]", "std = [1.0, 1.0, 1.0]")
    (tmp_path / "right.toml").write_text("[[source]]" + entry)
    (tmp_path / "wrong.toml").write_text("[[source]]" + wrong)
    plugin = ("--plugin", str(weights / "timm_extra.py"))
    right = _checked("--sources", str(tmp_path / "right.toml"), *plugin, on=pictures, code=0)
    assert right["ok"] is True
    found = _checked("--sources", str(tmp_path / "wrong.toml"), *plugin, on=pictures, code=2)
    assert found["ok"] is False
    assert "mean and std 0.5 fits" in found["findings"][0]


def _checked(*sources: str, on: str, code: int) -> dict[str, Any]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["sources", *sources, "--check", "--on", on, "--json"]) == code
    found: dict[str, Any] = json.loads(out.getvalue())["checks"][0]
    return found
