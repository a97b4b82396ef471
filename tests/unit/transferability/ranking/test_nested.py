from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.splitting import Fold
from autotransfer.models.backbone import Backbone
from autotransfer.models.source import Source
from autotransfer.plugin.testing.tiny import shapes, tiny_readers, tiny_source
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.ranking import Consensus, nested_shortlists, rank_sources

IMAGES = shapes(3, 12)


def _consensus() -> Consensus:
    return Consensus([e for e in ESTIMATORS if e.name in ("logme", "knn")], {})


def _sources(count: int) -> list[Source]:
    return [tiny_source(f"seed {seed}", seed=seed) for seed in range(count)]


def _folds(count: int) -> list[Fold]:
    place = np.arange(len(IMAGES)) % count
    return [
        Fold(train=np.flatnonzero(place != fold), validation=np.flatnonzero(place == fold))
        for fold in range(count)
    ]


def test_a_fold_changes_nothing_of_its_own_shortlist(tmp_path: Path) -> None:
    readers, sources, folds = tiny_readers(tmp_path), _sources(6), _folds(3)
    without = [
        rank_sources(
            sources, IMAGES.subset(fold.train), readers, _consensus(), seed=0, racing=False
        )[0]
        for fold in folds
    ]
    found = nested_shortlists(sources, IMAGES, folds, readers, _consensus(), seed=0)
    assert [set(names) for names in found] == [set(r.shortlist) for r in without]


def test_no_network_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers, sources = tiny_readers(tmp_path), _sources(4)
    rank_sources(sources, IMAGES, readers, _consensus(), seed=0)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a forward pass")

    monkeypatch.setattr(Backbone, "features", refuse)
    found = nested_shortlists(sources, IMAGES, _folds(2), readers, _consensus(), seed=0)
    assert all(len(names) >= 3 for names in found)
