"""Every strategy that works on sounds keeps its promises on a network of a plugin.

What trains layers does so on an encoder of transformers, too, which is cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.modality import Modality
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo
from autotransfer.plugin.testing import Workbench, task_for, tiny_readers, tiny_source, tones
from autotransfer.plugin.testing.promises import Promise
from autotransfer.results import ScenarioKind
from tests.contract.promises_of_items import PROMISES
from tests.tiny_sounds import write_encoder, write_network

READING = {n: s for n, s in discover().strategies.items() if s.reads(Modality.SOUND)}
TRAINING = sorted(name for name, strategy in READING.items() if strategy.trains)
UNTRAINED = TaskInfo(tiny_source(modality=Modality.SOUND), ScenarioKind.UNLABELLED, 18, 3)


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A network of two layers with an embedding of its own: three stages."""
    plugin, catalogue = write_network(tmp_path_factory.mktemp("ears"))
    discover(files=[plugin])
    return read_catalogue(catalogue)[0][0]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return sound_source_of_folder(write_encoder(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(
    params=[
        *(name for name in sorted(READING) if not READING[name].unfit(UNTRAINED)),
        *(f"{name} encoder" for name in TRAINING),
    ]
)
def bench(
    request: pytest.FixtureRequest, ears: Source, encoder: Source, tmp_path: Path
) -> Workbench:
    name, _, on = request.param.partition(" ")
    return Workbench(READING[name], tmp_path, _task_on(encoder if on else ears))


def _task_on(source: Source) -> Callable[[Strategy, Path, int, int], Task]:
    """Return what makes a task on a source, beside which the usual tiny one is a companion."""

    def build(strategy: Strategy, cache: Path, num_classes: int, per_class: int) -> Task:
        usual = task_for(strategy, cache, num_classes, per_class, modality=Modality.SOUND)
        readers = tiny_readers(cache)
        return replace(
            usual,
            source=source,
            features=readers[source],
            load_backbone=lambda: load_backbone(source),
        )

    return build


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_strategy_keeps_its_promises_on_sounds(
    promise: Promise[Workbench], bench: Workbench
) -> None:
    promise.keep(bench)


def test_rows_of_unseen_sounds_sum_to_one(bench: Workbench) -> None:
    task, unseen = bench.task(), tones(3, 2, seed=9)
    found = bench.fit(task).predict(unseen, task.features)
    assert found.shape == (6, len(task.class_names))
    assert np.allclose(found.sum(1), 1)


def test_strategies_of_every_scenario_read_sounds() -> None:
    assert {"feature-extraction", "mixture-of-probes", "instance-weighting"} <= READING.keys()
    assert {"feature-coral", "source-probe", "attribute-zero-shot"} <= READING.keys()
    assert "fine-tune" in TRAINING
