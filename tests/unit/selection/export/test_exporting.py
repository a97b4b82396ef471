from __future__ import annotations

import errno
import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autotransfer.errors import ExportError
from autotransfer.models.predictors.ensemble import EnsemblePredictor, Member
from autotransfer.models.predictors.pixels import fit_pixels
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.testing import shapes
from autotransfer.plugin.testing.tiny import tiny_readers, tiny_source, tiny_task
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export import exporting
from autotransfer.selection.export.exporting import TOLERANCE, export_onnx, run_onnx
from autotransfer.selection.export.graph import CheckpointGraph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def fitted(task: Task, name: str, **params: Any) -> Checkpoint:
    """Return a strategy's answer at its default point, with some parameters changed."""
    strategy: Strategy = discover(files=[]).strategy(name)
    defaults = {n: p.default for n, p in strategy.space(task.info).parameters.items()}
    trial = Trial({**defaults, **params}, lambda *_: None, None, 0)
    return Checkpoint(strategy.fit(task, trial), name, baseline=False, source=task.source)


def answers(path: Path, kept: Checkpoint, cache: Path, seed: int = 5) -> float:
    """Return the largest difference on items that the export has not seen."""
    assert kept.source is not None
    images = shapes(3, 2, seed=seed)
    batch = np.stack([np.asarray(images[i]) for i in range(len(images))])
    ours = kept.predict(images, tiny_readers(cache)[kept.source])
    return float(np.abs(run_onnx(path, [batch])[0] - ours).max())


def test_a_probe_with_weights_and_temperature_answers_the_same(tmp_path: Path) -> None:
    task = tiny_task(tmp_path / "features")
    kept = replace(
        fitted(task, "feature-extraction", stages="all", normalisation="cl2n", head="lda"),
        temperature=1.7,
        class_weights=(1.0, 2.0, 3.0),
    )
    path = tmp_path / "model.onnx"
    assert export_onnx(path, kept, task.class_names, {"license": "ours"}) <= TOLERANCE
    assert answers(path, kept, tmp_path / "other") <= TOLERANCE
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(metadata["class_names"]) == list(task.class_names)
    assert metadata["license"] == "ours"
    assert [p.name for p in tmp_path.glob("*.tmp")] == []


def test_a_folder_or_a_pipe_is_refused_before_any_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ExportError, match="name the file to write"):
            export_onnx(path, None, (), {})  # type: ignore[arg-type]


class _HalfWritten:
    """A program whose file fills the disk."""

    model = SimpleNamespace(metadata_props={})

    def save(self, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_program", lambda *_: _HalfWritten())
    task = tiny_task(tmp_path / "features")
    kept = fitted(task, "feature-extraction")
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ExportError, match="No space left on device"):
        export_onnx(path, kept, task.class_names, {})
    assert [p.name for p in path.parent.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"before"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("feature-extraction", {"stages": "last two", "normalisation": "none"}),
        ("feature-extraction", {"head": "nearest-mean"}),
        ("feature-extraction", {"head": "logistic", "depth": 0.5}),
        ("fine-tune", {"depth": 1.0}),
        ("fine-tune", {"depth": 0.5}),
        ("selective-transfer", {}),
        ("mixture-of-probes", {}),
        ("progressive", {}),
    ],
)
def test_every_kind_of_predictor_answers_the_same(
    tmp_path: Path, name: str, params: dict[str, Any]
) -> None:
    task = replace(tiny_task(tmp_path / "f"), companions=(tiny_source("other", seed=1),))
    kept = fitted(task, name, **params)
    path = tmp_path / "model.onnx"
    assert export_onnx(path, kept, task.class_names, {}) <= TOLERANCE
    assert answers(path, kept, tmp_path / "other") <= TOLERANCE


@pytest.mark.slow
def test_an_ensemble_of_two_sources_answers_the_same(tmp_path: Path) -> None:
    task = tiny_task(tmp_path / "f")
    tuned = fitted(task, "fine-tune", depth=0.5)
    other = replace(task, source=tiny_source("other", seed=1))
    other = replace(other, features=tiny_readers(tmp_path / "g")[other.source])
    probe = fitted(other, "feature-extraction")
    members = (
        Member("fine-tune", task.source, 1, tuned.predictor, temperature=2.0),
        Member("feature-extraction", other.source, 2, probe.predictor),
    )
    kept = Checkpoint(EnsemblePredictor(members), "ensemble", baseline=False, source=task.source)
    path = tmp_path / "model.onnx"
    assert export_onnx(path, kept, task.class_names, {}) <= TOLERANCE
    assert answers(path, kept, tmp_path / "other") <= TOLERANCE


def test_the_graph_of_an_ensemble_shows_a_network_each_of_its_sizes(tmp_path: Path) -> None:
    task = tiny_task(tmp_path / "f")
    enlarged = replace(task.source.preprocessing, input_size=48)
    source = replace(task.source, name="large", preprocessing=enlarged)
    other = replace(task, source=source, features=task.features.of(source))
    alone = [fitted(t, "feature-extraction", head="logistic") for t in (task, other)]
    members = tuple(Member(kept.strategy, kept.source, 1, kept.predictor) for kept in alone)
    kept = Checkpoint(EnsemblePredictor(members), "ensemble", baseline=False, source=task.source)
    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
    single, together = (_answers_of_graphs(found, noise) for found in (alone, [kept]))
    assert np.abs(single[0] - single[1]).max() > 0.1
    np.testing.assert_allclose(together[0], (single[0] + single[1]) / 2, atol=1e-5)


def _answers_of_graphs(
    found: list[Checkpoint], pictures: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    """Return the (n, K) probabilities of each predictor's graph, without the export."""
    graphs = [
        CheckpointGraph(kept, kept.source).eval() for kept in found if kept.source is not None
    ]
    with torch.no_grad():
        return [graph(torch.from_numpy(pictures)).numpy() for graph in graphs]


def test_a_baseline_without_a_network_is_named(tmp_path: Path) -> None:
    images = shapes(2, 3)
    kept = Checkpoint(
        fit_pixels(images, 2, seed=0), "classical-pixels", baseline=True, source=None
    )
    with pytest.raises(ExportError, match="the baseline 'classical-pixels'"):
        export_onnx(tmp_path / "model.onnx", kept, images.class_names, {})


def test_a_graph_that_answers_differently_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fitted(tiny_task(tmp_path / "f"), "feature-extraction")
    wrong = [np.full((2, 3), 1 / 3)] * 3
    monkeypatch.setattr(exporting, "_program", lambda *_: _Written())
    monkeypatch.setattr(exporting, "run_onnx", lambda *_: wrong)
    with pytest.raises(ExportError, match="differs from the selection by"):
        export_onnx(tmp_path / "model.onnx", kept, ("a", "b", "c"), {})
    assert not (tmp_path / "model.onnx").exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_without_the_packages_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    kept = fitted(tiny_task(tmp_path / "f"), "feature-extraction")
    with pytest.raises(ExportError, match=r"needs onnxruntime.*autotransfer\[onnx\]"):
        export_onnx(tmp_path / "model.onnx", kept, ("a", "b", "c"), {})


class _Written:
    """What torch would have made."""

    class model:  # noqa: N801 - the name that torch gives it
        metadata_props: ClassVar[dict[str, str]] = {}

    def save(self, path: str) -> None:
        Path(path).write_bytes(b"a graph")
