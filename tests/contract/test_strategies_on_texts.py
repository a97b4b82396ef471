"""Every strategy that works on texts keeps its promises on a tiny encoder of texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.need import Need
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo
from autotransfer.plugin.testing import Workbench
from autotransfer.plugin.testing.promises import Promise
from autotransfer.results import ScenarioKind
from tests.contract.promises_of_items import PROMISES
from tests.tiny_texts import text_set, write_encoder, write_table

LABELLED = {
    name: strategy
    for name, strategy in discover().strategies.items()
    if ScenarioKind.LABELLED in strategy.scenarios and strategy.reads(Modality.TEXT)
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    folder = tmp_path_factory.mktemp("texts")
    written = (write_table(folder / "table"), write_encoder(folder / "encoder", masks=True))
    return source_of_folder(written[0]), source_of_folder(written[1])


@pytest.fixture(params=sorted(LABELLED))
def bench(
    request: pytest.FixtureRequest, sources: tuple[Source, Source], tmp_path: Path
) -> Workbench:
    return Workbench(LABELLED[request.param], tmp_path, _task_on(*sources))


def _task_on(source: Source, companion: Source) -> Callable[[Strategy, Path, int, int], Task]:
    def build(strategy: Strategy, cache: Path, num_classes: int, per_class: int) -> Task:
        readers = FeatureReaders(
            FeatureStore(cache), PixelStore(1), load_backbone, torch.device("cpu")
        )
        train = _first_classes(text_set(per_class), num_classes)
        names = train.class_names
        info = TaskInfo(source, ScenarioKind.LABELLED, len(train), len(names))
        read = companion if strategy.unfit(info) else source
        task = Task(
            source=read,
            scenario=ScenarioKind.LABELLED,
            class_names=names,
            train=train,
            features=readers[read],
            device=readers.device,
            load_backbone=lambda: load_backbone(read),
        )
        if Need.UNLABELLED_TARGET in strategy.needs:
            task = replace(task, unlabelled=text_set(8, seed=1).without_labels())
        if Need.SOURCE_IMAGES in strategy.needs:
            task = replace(task, source_images=_first_classes(text_set(8, seed=1), num_classes))
        if Need.COMPANIONS in strategy.needs:
            task = replace(task, companions=(companion,))
        return task

    return build


def _first_classes(items: ImageSet, count: int) -> ImageSet:
    kept = items.subset(np.flatnonzero(items.labels < count))
    return ImageSet(kept.reader, kept.positions, kept.labels, items.class_names[:count])


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_strategy_keeps_its_promises_on_texts(
    promise: Promise[Workbench], bench: Workbench
) -> None:
    promise.keep(bench)


def test_rows_of_unseen_texts_sum_to_one(bench: Workbench) -> None:
    task, unseen = bench.task(), text_set(2, seed=9)
    found = bench.fit(task).predict(unseen, task.features)
    assert found.shape == (6, 3)
    assert np.allclose(found.sum(1), 1)


def test_what_only_reads_features_works_on_texts_and_what_trains_on_images_is_left_out() -> None:
    strategies = discover().strategies
    assert {"feature-extraction", "mixture-of-probes", "default-probe"} <= LABELLED.keys()
    assert {"fix-match", "mme"} <= LABELLED.keys()
    assert not strategies["multi-task"].reads(Modality.TEXT)
    of_texts = {name for name, s in strategies.items() if not s.reads(Modality.IMAGE)}
    assert of_texts == {"set-fit", "nearest-description", "corrected-description"}
