"""What fine-tunes images also fine-tunes networks of sounds: encoders cut, others whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.data.images.views import View
from autotransfer.models.backbone import load_backbone
from autotransfer.models.heads import fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.results import ScenarioKind
from autotransfer_fine_tune import FineTune
from autotransfer_fine_tune.batches import Batches
from autotransfer_fine_tune.modalities import terms_of
from tests.tiny_sounds import AST, KINDS, LAYERS, sound_set, write_encoder

STAGES = LAYERS + 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    folder = tmp_path_factory.mktemp("sounds")
    return {kind: sound_source_of_folder(write_encoder(folder / kind, kind)) for kind in KINDS}


def _task_on(source: Source, cache: Path) -> Task:
    train, readers = sound_set(6), tiny_readers(cache)
    return Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=train.class_names,
        train=train,
        features=readers[source],
        device=readers.device,
        load_backbone=lambda: load_backbone(source),
    )


@pytest.fixture
def task(folders: dict[str, Source], tmp_path: Path) -> Task:
    return _task_on(folders["wavlm"], tmp_path)


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(task: Task, **params: Any) -> NetworkPredictor:
    space = FineTune().space(task.info)
    point = {**space.defaults(), "epochs": 3, "learning_rate_multiplier": 3.0, **params}
    assert space.contains(point), point
    found = FineTune().fit(task, Trial(point, _ignore, None, 0))
    assert isinstance(found, NetworkPredictor)
    return found


def _changes(task: Task, found: NetworkPredictor) -> dict[str, torch.Tensor]:
    """Return by how much each weight of the source has changed, where it has."""
    start = task.backbone().network.state_dict()
    own = {name.removeprefix("suffix.network."): now for name, now in found.tensors.items()}
    changes = {name: now - start[name] for name, now in own.items() if name in start}
    return {name: change for name, change in changes.items() if change.abs().max() > 0}


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_after_the_cut_learn_and_what_comes_before_is_not_kept(
    kind: str, folders: dict[str, Source], tmp_path: Path
) -> None:
    task = _task_on(folders[kind], tmp_path)
    found = _fit(task, depth=0.5)  # what stands before the layers, and the first one, are frozen
    assert (found.frozen, found.layers.copied, found.layers.tuned) == (2, STAGES, 2)
    numbers = {
        part for name in _changes(task, found) for part in name.split(".") if part.isdigit()
    }
    assert {"1", "2"} <= numbers
    assert not [n for n in found.tensors if "conv" in n or "embeddings" in n or "embed_pos" in n]
    assert not [n for n in found.tensors if ".layers.0." in n and "rel_attn_embed" not in n]
    again = NetworkPredictor.restored(*found.state(), task.source)
    said = found.predict(task.train, task.features)
    assert np.allclose(again.predict(task.train, task.features), said, atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        k if k in ("wav2vec2", "whisper") else pytest.param(k, marks=pytest.mark.nightly)
        for k in KINDS
    ],
)
def test_with_nothing_frozen_what_stands_before_the_layers_learns(
    kind: str, folders: dict[str, Source], tmp_path: Path
) -> None:
    task = _task_on(folders[kind], tmp_path)
    changed = _changes(task, _fit(task, depth=0.0, epochs=3))
    first = {AST: "patch_embeddings.projection", "whisper": "conv1"}.get(kind, "conv_layers.0")
    assert [name for name in changed if first in name]


def test_all_the_way_back_to_the_source_is_the_logistic_probe(task: Task) -> None:
    found = _fit(task, depth=0.5, back_to_source=1.0)
    rows = task.features(task.train)
    probe = fit_logistic(rows, task.train.labels, 3).probabilities(rows)
    assert np.allclose(found.predict(task.train, task.features), probe, atol=1e-4)


def test_bit_fit_changes_vectors_alone(task: Task) -> None:
    changes = _changes(task, _fit(task, depth=0.5, tuned="biases and norms"))
    assert {change.ndim for change in changes.values()} == {1}


def test_a_low_rank_change_has_a_low_rank_and_leaves_vectors_alone(task: Task) -> None:
    changed = _changes(task, _fit(task, depth=0.5, tuned="low rank"))
    assert "model.encoder.layers.2.attention.q_proj.weight" in changed
    for name, change in changed.items():
        out, into = change.flatten(1).shape
        most = max(1, out * into // (2 * (out + into)))  # half of the numbers of the weight
        assert torch.linalg.matrix_rank(change.flatten(1), rtol=1e-3) <= most, name


def test_l2_sp_keeps_weights_nearer_to_the_source(task: Task) -> None:
    def distance(**params: Any) -> float:
        changes = _changes(task, _fit(task, depth=0.5, regularisation=1e-3, **params)).values()
        return float(sum(change.square().sum() for change in changes if change.ndim > 1))

    held = distance(conservation="l2-sp", conservation_strength=100.0)
    assert held < 0.25 * distance()


@pytest.mark.parametrize("kind", ["delta", "rkd"])
@pytest.mark.parametrize("on", ["wavlm", "small"])
def test_what_keeps_features_changes_the_answer(
    kind: str, on: str, folders: dict[str, Source], tmp_path: Path
) -> None:
    task = _task_on(folders.get(on, small_sound_source()), tmp_path)
    plain = _fit(task, depth=0.5).embed(task.train, task.features)
    kept = _fit(task, depth=0.5, conservation=kind, conservation_strength=100.0)
    assert np.abs(kept.embed(task.train, task.features) - plain).max() > 1e-4


def test_a_network_that_is_not_cut_learns_as_a_whole(tmp_path: Path) -> None:
    task = _task_on(small_sound_source(), tmp_path)
    found = _fit(task, epochs=20, learning_rate_multiplier=10.0)
    assert found.frozen == 0
    assert "convolutions.0.weight" in _changes(task, found)
    right = found.predict(task.train, task.features).argmax(1) == task.train.labels
    assert right.mean() > 0.8


@pytest.mark.parametrize("kind", ["wavlm", AST])
@pytest.mark.parametrize("frozen", [0, 2])
def test_sounds_are_varied_and_those_views_behind_a_cut_are_few(
    kind: str, frozen: int, folders: dict[str, Source], tmp_path: Path
) -> None:
    task, rng = _task_on(folders[kind], tmp_path), np.random.default_rng(0)
    batches, positions = Batches(task, frozen, "masks"), np.arange(len(task.train))
    whole = task.features.inputs(task.train, frozen).batch(positions)
    seen = [batches(positions, rng) for _ in range(12)]
    assert all(len(batch) == len(whole) for batch in seen)
    views = {batch[0].sum().item() for batch in seen}
    assert len(views) > 2
    assert len(views) == 12 if frozen == 0 else len(views) <= 5 + 1  # rounding by the batch


def test_what_makes_no_sense_for_sounds_is_no_choice(task: Task) -> None:
    space = FineTune().space(task.info)
    assert terms_of(task.source).learning_rates["adamw"] == 1e-4
    assert space.parameters["mixup"].values == (False,)
    assert space.parameters["augmentation"].values == ("none", "gain", "crop", "masks")
    assert space.parameters["conservation"].values == ("none", "l2-sp", "delta", "rkd")


@pytest.mark.parametrize("kind", ["gain", "masks"])
def test_images_have_no_view_that_is_for_sounds(kind: str) -> None:
    with pytest.raises(TypeError, match="for sounds"):
        View(kind).apply(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), ["0" * 64])
