from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autotransfer.models.backbone import load_backbone
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.testing import shapes, tiny_source, tiny_task
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autotransfer_fine_tune import FineTune
from autotransfer_progressive import Progressive, make_plan
from autotransfer_progressive.predictor import Batches, ProgressivePredictor
from tests.plugins.digits_transfer import KINDS, DigitsTransfer


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(strategy: Strategy, task: Task, seed: int = 0, **params: Any) -> Predictor:
    point = {**strategy.space(task.info).defaults(), **params}
    assert strategy.space(task.info).contains(point)
    return strategy.fit(task, Trial(point, _ignore, None, seed))


def _progressive(task: Task, **params: Any) -> ProgressivePredictor:
    found = _fit(Progressive(), task, **{"epochs": 5, **params})
    assert isinstance(found, ProgressivePredictor)
    return found


def test_the_first_step_is_that_of_the_network_from_scratch_bit_for_bit(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    logits, weights = [], []
    for sources in ((), (task.source,)):
        plan = make_plan(task, sources, 3, num_laterals=4, lateral_width=0.5)
        network = plan.network(3).eval()
        batches = Batches(plan, task.features, task.train, flips=False)
        positions = np.arange(8)
        x = batches(positions, np.random.default_rng(0))
        logits.append(network(x, batches.laterals(positions)))
        weights.append(network.body.state_dict())
    assert torch.equal(logits[0], logits[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_frozen_column_is_heard_once_the_adapters_have_learnt(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    found = _progressive(task, adapter_rate=1.0)
    widened = [v for k, v in found.tensors.items() if k.endswith("widen.weight")]
    assert len(widened) == 2
    assert all(weight.abs().max() > 0 for weight in widened)
    other = task.features.of(tiny_source("other", seed=9))

    class Swapped:
        def of(self, source: Source) -> object:
            return other if source == task.source else task.features.of(source)

    unseen = shapes(3, 4, seed=5)
    heard = found.predict(unseen, task.features)
    assert np.abs(found.predict(unseen, Swapped()) - heard).max() > 1e-6  # type: ignore[arg-type]

    def one(i: int) -> NDArray[np.float64]:
        return found.predict(unseen.subset([i]), task.features)

    with ThreadPoolExecutor(4) as threads:
        alone = np.concatenate(list(threads.map(one, [*range(len(unseen))] * 5)))
    np.testing.assert_allclose(alone, np.tile(heard, (5, 1)), atol=1e-6)


def test_several_columns_are_saved_with_their_weights(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    others = []
    for seed in (5, 6):
        plain = tiny_source(f"other {seed}", seed=seed)
        file = tmp_path / f"{seed}.safetensors"
        sha256 = write_state_dict(file, load_backbone(plain).network.state_dict())
        others.append(replace(plain, weights=LocalWeights(file, sha256)))
    found = _progressive(replace(task, companions=tuple(others)), columns=3)
    assert [source.name for source in found.companions] == ["other 5", "other 6"]
    expected = found.predict(task.train, task.features)
    kept = Checkpoint(found, "progressive", baseline=False, source=task.source)
    write_checkpoint(tmp_path / "saved", kept)
    for seed in (5, 6):
        (tmp_path / f"{seed}.safetensors").unlink()
    restored = read_checkpoint(tmp_path / "saved", discover())
    np.testing.assert_allclose(
        restored.predictor.predict(task.train, task.features), expected, atol=1e-6
    )


SMALL_SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}


@pytest.mark.parametrize(
    ("architecture", "size", "kwargs"),
    [
        ("test_vit", 160, {}),
        ("swin_tiny_patch4_window7_224", 224, SMALL_SWIN),
        ("test_convnext", 160, {}),
    ],
)
def test_columns_of_tokens_and_of_channels_last_maps_are_read(
    tmp_path: Path, architecture: str, size: int, kwargs: dict[str, Any]
) -> None:
    task = tiny_task(tmp_path, num_classes=2, per_class=2)
    source = replace(
        task.source,
        architecture=architecture,
        preprocessing=replace(task.source.preprocessing, input_size=size),
        kwargs={**task.source.kwargs, **kwargs},
    )
    large = replace(task, source=source, features=task.features.of(source))
    found = _progressive(large, epochs=5)
    assert found.predict(task.train, large.features).shape == (4, 2)
    widened = [v for k, v in found.tensors.items() if k.endswith("widen.weight")]
    assert any(weight.abs().max() > 0 for weight in widened)


def _accuracy(fit: Callable[[Task], Predictor], task: Task, world: DigitsTransfer) -> float:
    _, test = world.images(5)
    found = fit(task).predict(test, task.features)
    return float((found.argmax(axis=1) == test.labels).mean())


def _gaps(tmp_path: Path, seeds: int, per_class: int) -> dict[str, float]:
    """Return mean points above the network from scratch, by method and source."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        world = DigitsTransfer(tmp_path / f"{per_class}", seed)
        grown = {
            kind: partial(_fit, Progressive(), seed=seed, columns=columns, epochs=40)
            for kind, columns in (("scratch", 0), *((kind, 1) for kind in KINDS))
        }
        tuned = partial(
            _fit, FineTune(), seed=seed, depth=0.0, warm_start="none", epochs=30,
            learning_rate_multiplier=7.0,
        )  # fmt: skip
        # without columns nothing is read from a source: any will do
        scratch = _accuracy(grown["scratch"], world.task(KINDS[0], per_class), world)
        found.setdefault("scratch", []).append(scratch)
        for kind in KINDS:
            gap = _accuracy(grown[kind], world.task(kind, per_class), world) - scratch
            found.setdefault(f"progressive, {kind}", []).append(100 * gap)
        gap = _accuracy(tuned, world.task("mis-scaled", per_class), world) - scratch
        found.setdefault("fine-tune, mis-scaled", []).append(100 * gap)
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.nightly
def test_a_progressive_network_is_never_harmed_where_fine_tuning_is(tmp_path: Path) -> None:
    found = _gaps(tmp_path, seeds=4, per_class=5)
    assert found["scratch"] > 0.85, found
    for kind in KINDS:
        assert found[f"progressive, {kind}"] >= -1.5, found
    assert found["fine-tune, mis-scaled"] < -1.5, found


@pytest.mark.nightly
@pytest.mark.parametrize("per_class", [5, 10])
def test_twelve_seeds_say_the_same(tmp_path: Path, per_class: int) -> None:
    found = _gaps(tmp_path, seeds=12, per_class=per_class)
    for kind in KINDS:
        assert found[f"progressive, {kind}"] >= -1.5, found
    assert found["fine-tune, mis-scaled"] < -1.5, found
