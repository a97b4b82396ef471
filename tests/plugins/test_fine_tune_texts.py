"""What fine-tunes images also fine-tunes encoders of texts: on hidden states behind a cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.data.images.views import View
from autotransfer.models.backbone import fresh_backbone
from autotransfer.models.heads import fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Task, Trial
from autotransfer_fine_tune import FineTune
from autotransfer_fine_tune.batches import Batches
from autotransfer_fine_tune.modalities import terms_of
from autotransfer_fine_tune.plan import prepared
from autotransfer_fine_tune.regularisers import FeatureMaps
from tests.tiny_texts import WIDTH, task_on, write_encoder, write_table

STAGES = 4  # the embeddings and three layers


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    folder = tmp_path_factory.mktemp("texts")
    written = write_encoder(folder / "encoder"), write_table(folder / "table")
    return source_of_folder(written[0]), source_of_folder(written[1])


@pytest.fixture
def task(sources: tuple[Source, Source]) -> Task:
    return task_on(sources[0])


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
    """Return by how much each weight of the source has changed."""
    start = task.backbone().network.state_dict()
    own = {name.removeprefix("suffix.network."): now for name, now in found.tensors.items()}
    return {name: now - start[name] for name, now in own.items() if name in start}


def _changed(task: Task, found: NetworkPredictor) -> set[str]:
    return {name for name, change in _changes(task, found).items() if change.abs().max() > 0}


def test_the_layers_after_the_cut_learn_and_no_others_are_kept(task: Task) -> None:
    found = _fit(task, depth=0.5)  # the embeddings and the first layer are frozen
    assert found.frozen == 2
    assert (found.layers.copied, found.layers.tuned) == (STAGES, 2)
    # counted from 0
    assert {name.split(".")[3] for name in _changed(task, found)} == {"1", "2"}
    assert not [name for name in found.tensors if "embeddings" in name or "pooler" in name]


def test_one_layer_alone_learns_and_the_next_one_stays(task: Task) -> None:
    found = _fit(task, depth=0.5, window="one stage")
    assert {name.split(".")[3] for name in _changed(task, found)} == {"1"}


def test_with_nothing_frozen_the_embeddings_learn_from_tokens(task: Task) -> None:
    found = _fit(task, depth=0.0)
    assert "model.embeddings.word_embeddings.weight" in _changed(task, found)
    assert found.predict(task.train, task.features).shape == (18, 3)


def test_all_the_way_back_to_the_source_is_the_logistic_probe(task: Task) -> None:
    found = _fit(task, depth=0.5, back_to_source=1.0)
    rows = task.features(task.train)
    probe = fit_logistic(rows, task.train.labels, 3).probabilities(rows)
    assert np.allclose(found.predict(task.train, task.features), probe, atol=1e-5)


def test_bit_fit_changes_vectors_alone(task: Task) -> None:
    changes = _changes(task, _fit(task, depth=0.5, tuned="biases and norms"))
    changed = {name: change for name, change in changes.items() if change.abs().max() > 0}
    assert changed
    assert {change.ndim for change in changed.values()} == {1}


def test_a_low_rank_change_has_a_low_rank_and_leaves_vectors_alone(task: Task) -> None:
    changes = _changes(task, _fit(task, depth=0.5, tuned="low rank"))
    changed = {name: change for name, change in changes.items() if change.abs().max() > 0}
    assert "model.encoder.layer.2.output.dense.weight" in changed
    for name, change in changed.items():
        out, into = change.shape
        most = out * into // (2 * (out + into))  # half of the numbers of the weight
        assert torch.linalg.matrix_rank(change, rtol=1e-3) <= most, name


def test_l2_sp_keeps_weights_nearer_to_the_source(task: Task) -> None:
    def distance(**params: Any) -> float:
        changes = _changes(task, _fit(task, depth=0.5, regularisation=1e-3, **params)).values()
        return float(sum(change.square().sum() for change in changes if change.ndim > 1))

    held = distance(conservation="l2-sp", conservation_strength=100.0)
    assert held < 0.25 * distance()


@pytest.mark.parametrize("kind", ["delta", "rkd"])
def test_what_keeps_features_changes_the_answer(kind: str, task: Task) -> None:
    plain = _fit(task, depth=0.5).predict(task.train, task.features)
    kept = _fit(task, depth=0.5, conservation=kind, conservation_strength=100.0)
    assert np.abs(kept.predict(task.train, task.features) - plain).max() > 1e-4  # without: equal


def test_feature_maps_are_hidden_states_without_padding(task: Task) -> None:
    backbone = task.backbone()
    x = backbone.prepared(task.train)
    z = backbone.activations(x, 2)
    assert (z[:, :, -1] == 0).any()  # texts of several lengths
    suffix = backbone.suffix(2)
    maps = FeatureMaps(suffix, [f"network.{stage.module}" for stage in backbone.stages[2:]])
    filled = torch.cat([z, torch.zeros_like(z)], dim=1)
    with maps.watched(), torch.no_grad():
        suffix(z)
        for parameter in suffix.parameters():
            parameter.add_(0.01)
        suffix(z)
        near = float(maps.distance(z))
        suffix(filled)
        assert near > 0
        assert float(maps.distance(filled)) == pytest.approx(near, rel=1e-4)
        for stage in backbone.stages[2:]:
            state = maps._now[f"network.{stage.module}"]
            assert state.shape[2] == WIDTH
            assert (state[filled[:, :, -1] == 0] == 0).all()


def test_what_is_not_copied_starts_from_the_layer_of_its_place(task: Task) -> None:
    point = {**FineTune().space(task.info).defaults(), "depth": 0.5, "copied": 0.75}
    _, network = prepared(task, task.backbone(), point, 7)
    fresh = fresh_backbone(task.source, 7).network.state_dict()
    source = task.backbone().network.state_dict()
    for name, value in network.suffix.state_dict().items():
        plain = name.removeprefix("network.")
        assert torch.equal(value, (fresh if ".layer.2." in name else source)[plain]), name


@pytest.mark.parametrize("frozen", [0, 2])
def test_words_are_left_out_of_some_views_and_marks_never(frozen: int, task: Task) -> None:
    batches = Batches(task, frozen, "words")
    backbone, rng = task.backbone(), np.random.default_rng(0)
    positions = np.arange(len(task.train))
    whole = backbone.prepared(task.train)
    lengths = [int(length) for length in whole[:, 1].sum(1)]
    shorter = 0
    for _ in range(4):
        batch = batches(positions, rng)
        mask = batch[:, 1] if frozen == 0 else batch[:, :, -1]
        own = [int(length) for length in mask.sum(1)]
        shorter += sum(now < before for now, before in zip(own, lengths, strict=True))
        assert all(2 < now <= before for now, before in zip(own, lengths, strict=True))
        if frozen == 0:
            last = [int(batch[i, 0, length - 1]) for i, length in enumerate(own)]
            assert set(last) == {3}
            assert set(batch[:, 0, 0].tolist()) == {2}
    assert 0.1 < shorter / (4 * len(lengths)) < 0.8


def test_views_of_several_lengths_are_put_together_as_they_are(task: Task) -> None:
    batch = Batches(task, 2, "words")(np.arange(18), np.random.default_rng(0))
    views = [
        task.features.inputs(task.train, 2, view=view).batch(np.arange(18))
        for view in (View(), *(View("words", number) for number in range(4)))
    ]
    for i, row in enumerate(batch):
        own = row[: int(row[:, -1].sum())]
        assert any(
            int(view[i, :, -1].sum()) == len(own) and torch.allclose(view[i, : len(own)], own)
            for view in views
        )


def test_what_makes_no_sense_for_texts_is_no_choice(task: Task) -> None:
    space = FineTune().space(task.info)
    assert space.parameters["mixup"].values == (False,)
    assert space.parameters["augmentation"].values == ("none", "words")
    assert space.parameters["conservation"].values == ("none", "l2-sp", "delta", "rkd")
    assert terms_of(task.source).learning_rates["adamw"] == 1e-4


def test_a_table_of_rows_learns_as_a_whole(sources: tuple[Source, Source]) -> None:
    task = task_on(sources[1])
    found = _fit(task, conservation="delta")
    assert found.frozen == 0
    assert _changed(task, found) == {"weight"}
    assert (found.predict(task.train, task.features).argmax(1) == task.train.labels).all()


def test_images_have_no_words_to_leave_out() -> None:
    with pytest.raises(TypeError, match="no words"):
        View("words").apply(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), ["0" * 64])
