"""The graph of an export beside the predictor that it was made of, without a runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.ensemble import EnsemblePredictor, Member
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.plugin.testing.tiny import tiny_task
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.graph import CheckpointGraph
from tests.unit.told import told


def _probe(task: Task, stage: int, *below: int) -> HeadPredictor:
    """Return a head on some stages."""
    blocks = [np.asarray(task.features(task.train, s), dtype=np.float64) for s in (*below, stage)]
    head = fit_ridge(np.concatenate(blocks, axis=1), task.train.labels, len(task.class_names))
    return HeadPredictor(head, stage, below=below)


def test_class_weights_come_before_the_temperature() -> None:
    # one to three; class 1 counts three times: one to nine; the root of nine is three
    images = shapes(2, 2)
    rows = np.tile([0.25, 0.75], (4, 1))
    kept = Checkpoint(
        told(images, rows), "told", baseline=False, source=tiny_source(), temperature=2.0
    )
    kept = replace(kept, class_weights=(1.0, 3.0))
    found = CheckpointGraph(kept, tiny_source())(torch.zeros((4, 32, 32, 3), dtype=torch.uint8))
    np.testing.assert_allclose(found.numpy(), rows, rtol=1e-6)


def test_pictures_are_standardised_and_each_member_reads_its_own_source(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    other = tiny_source("other", seed=1)
    beside = replace(task, source=other, features=task.features.of(other))
    members = (
        Member("a", task.source, 1, _probe(task, 2, 1)),
        Member("b", other, 2, _probe(beside, 3)),
    )
    kept = Checkpoint(EnsemblePredictor(members), "ensemble", baseline=False, source=task.source)
    images = shapes(6, 2, seed=5)  # those between the directions that were learnt are doubtful
    batch = torch.from_numpy(np.stack([np.asarray(images[i]) for i in range(len(images))]))
    with torch.no_grad():
        found = CheckpointGraph(kept, task.source).eval()(batch).numpy()
    assert not np.isin(found.round(2), (0, 1)).all()
    np.testing.assert_allclose(found, kept.predict(images, task.features), atol=1e-5)
