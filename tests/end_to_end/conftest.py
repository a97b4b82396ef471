from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.cli import run
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.guard import baseline_training, from_scratch
from autotransfer.models import timm_outputs
from autotransfer.models.backbone import load_backbone
from autotransfer.models.small_cnn import SMALL_NETWORK
from autotransfer.models.source import Source, Untrained
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import shapes
from autotransfer.report import page


@pytest.fixture(autouse=True)
def _tables(mlflow_tables: None) -> None:
    """Most tests of this folder fit."""


@pytest.fixture(autouse=True)
def _kit_in_seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and networks of the kit are the same in every test: so are their features.

    The baseline that trains the finalist's own network from scratch takes minutes and wins
    nowhere here: but for the nightly run it trains for two epochs. The small network has all.
    """
    if not request.node.get_closest_marker("kit"):
        return
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(request.getfixturevalue("kit_cache")))
    if not request.node.get_closest_marker("nightly"):
        brief_baselines(monkeypatch)


def brief_baselines(patch: pytest.MonkeyPatch) -> None:
    """Train networks of sources from scratch for two epochs."""
    whole, schedule = from_scratch.fit_scratch, from_scratch.SCHEDULE

    def fit_briefly(task: Task, **options: Any) -> Any:
        if task.source.architecture == SMALL_NETWORK:
            return whole(task, **options)
        with pytest.MonkeyPatch.context() as brief:
            brief.setattr(from_scratch, "SCHEDULE", replace(schedule, epochs=2))
            return whole(task, **options)

    patch.setattr(baseline_training, "fit_scratch", fit_briefly)


def draw_verdict_alone(patch: pytest.MonkeyPatch) -> None:
    """Make reports of their first section: figures take half of the time of so small a fit."""
    patch.setattr(page, "built", partial(page.built, sections=page.SECTIONS[:1]))


Refused = Callable[..., str]


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Return what runs a fit that is refused, and returns its one error: a line, then causes."""

    def error_of(target: str, *given: str) -> str:
        monkeypatch.chdir(tmp_path)
        assert run(["fit", target, "--trials", "1", "--tracking-uri", "off", *given]) == 2
        told = capsys.readouterr().err.splitlines()
        first = [line.startswith("autotransfer: ") for line in told].index(True)
        assert all(line.startswith("  ") for line in told[first + 1 :]), told
        return "\n".join(told[first:])

    return error_of


@pytest.fixture
def brief_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """For fits whose report nobody looks at; `test_report` and others look at whole ones."""
    draw_verdict_alone(monkeypatch)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalogue of three tiny networks, and an archive of bars to learn from."""
    folder = tmp_path_factory.mktemp("written")
    write_catalogue(folder / "sources")
    write_bars(folder / "bars.npz")
    return folder


def write_bars(path: Path) -> None:
    """Write three classes of bars, twelve images of each to learn from and ten to test."""
    train, test = shapes(3, 12, seed=1), shapes(3, 10, seed=2)
    np.savez(
        path,
        x_train=np.stack([np.asarray(train[i]) for i in range(len(train))]),
        y_train=train.labels,
        x_test=np.stack([np.asarray(test[i]) for i in range(len(test))]),
        y_test=test.labels,
    )


def write_catalogue(folder: Path) -> None:
    """Write a catalogue of three tiny networks, and their weights."""
    entries = []
    for seed in range(3):
        source = Source(
            f"tiny-{seed}",
            "test_resnet",
            Untrained(seed),
            Preprocessing(32),
            {"num_classes": 0},
        )
        file = folder / f"tiny-{seed}.safetensors"
        sha256 = write_state_dict(file, load_backbone(source).network.state_dict())
        entries.append(
            f'[[source]]\nname = "tiny-{seed}"\narchitecture = "test_resnet"\n'
            f'weights = "{file.name}"\nsha256 = "{sha256}"\nkwargs = {{ num_classes = 0 }}\n'
            'input_size = 32\nlicense = "Apache-2.0"\n'
        )
    (folder / "catalogue.toml").write_text("\n".join(entries), encoding="utf-8")


@pytest.fixture
def catalogue(written: Path, tmp_path: Path) -> Path:
    """A catalogue of three tiny networks with weights on disk."""
    return Path(shutil.copytree(written / "sources", tmp_path / "sources")) / "catalogue.toml"


@pytest.fixture
def target(written: Path, tmp_path: Path) -> Path:
    """An archive of arrays: three classes of bars, twelve of each to learn from."""
    return Path(shutil.copy(written / "bars.npz", tmp_path))


@pytest.fixture(scope="session")
def _bars_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bars-cache")


@pytest.fixture
def warm_cache(_bars_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that other tests have filled with features and baselines of the same images."""
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(_bars_cache))
    return _bars_cache


@pytest.fixture
def folder_target(tmp_path: Path) -> Path:
    """A folder of class folders with the same images, all for training."""
    images = shapes(3, 14, seed=3)
    root = tmp_path / "bars"
    for i in range(len(images)):
        place = root / images.class_names[images.labels[i]]
        place.mkdir(parents=True, exist_ok=True)
        images[i].save(place / f"{i:03d}.png")
    return root


@pytest.fixture
def forward_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count every forward pass of every network."""
    import torch

    count = 0
    call = torch.nn.Module.__call__

    def counted(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        if type(module).__module__.startswith("timm.") and hasattr(module, "forward_features"):
            count += 1
        return call(module, *args, **kwargs)

    from autotransfer.models import backbone

    pooled, both = timm_outputs.pooled_output, timm_outputs.pooled_and_logits

    def counted_pooled(*args: Any) -> Any:
        nonlocal count
        count += 1
        return pooled(*args)

    def counted_both(*args: Any) -> Any:
        nonlocal count
        count += 1
        return both(*args)

    monkeypatch.setattr(torch.nn.Module, "__call__", counted)
    monkeypatch.setattr(backbone, "pooled_output", counted_pooled)
    monkeypatch.setattr(backbone, "pooled_and_logits", counted_both)
    return lambda: count
