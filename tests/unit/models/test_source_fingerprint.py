"""One key for whatever is kept for a source: it holds what changes the features, no more."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.target import open_target
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.features import Features
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import (
    HubWeights,
    LocalWeights,
    Source,
    Untrained,
    source_from_json,
    source_to_json,
)
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.transferability.ranking.earlier_targets import mean_places, record_places
from autotransfer.transferability.ranking.prior import priors

SOURCE = Source("net", "resnet18", Untrained(0), Preprocessing(128), {"num_classes": 7})
SEEN_AS: dict[str, Any] = {
    "input_size": 224,
    "mean": (0.5, 0.456, 0.406),
    "std": (0.229, 0.224, 0.5),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
}
DECISIVE: dict[str, list[Any]] = {
    "architecture": ["resnet34"],
    "weights": [
        Untrained(1),
        HubWeights("resnet18.a1_in1k"),
        HubWeights("resnet18.a2_in1k"),
        LocalWeights(Path("w.safetensors"), "aa"),
        LocalWeights(Path("w.safetensors"), "bb"),
    ],
    "preprocessing": [replace(SOURCE.preprocessing, **{k: v}) for k, v in SEEN_AS.items()],
    "kwargs": [{}, {"num_classes": 8}, {"num_classes": 7, "in_chans": 1}],
}
SAID: dict[str, Any] = {
    "name": "another",
    "class_names": ("ant", "bee"),
    "pretrained_on": "insects",
    "license": "MIT",
    "origin": "elsewhere",
    "num_pretraining_images": 10,
    "pretraining_accuracy": 0.5,
    "seen": ("aa",),
}


def test_every_field_either_decides_the_features_or_only_says_something() -> None:
    assert {field.name for field in fields(Source)} == {*DECISIVE, *SAID}
    assert {field.name for field in fields(Preprocessing)} == set(SEEN_AS)


def test_whatever_decides_the_features_gives_a_fingerprint_of_its_own() -> None:
    others = [replace(SOURCE, **{k: v}) for k, values in DECISIVE.items() for v in values]
    found = {source.fingerprint for source in [SOURCE, *others]}
    assert len(found) == 1 + len(others)


@pytest.mark.parametrize("name", SAID)
def test_what_is_only_said_of_a_source_leaves_the_fingerprint(name: str) -> None:
    assert replace(SOURCE, **{name: SAID[name]}).fingerprint == SOURCE.fingerprint


def test_where_the_same_weights_lie_leaves_the_fingerprint() -> None:
    one, other = (
        replace(SOURCE, weights=LocalWeights(Path(place), "aa")) for place in ("a.pth", "b/c.pth")
    )
    assert one.fingerprint == other.fingerprint


def test_a_source_that_went_through_json_keeps_its_fingerprint() -> None:
    whole = replace(SOURCE, preprocessing=Preprocessing(128, (0, 0, 0), (1, 1, 1), crop_pct=1))
    again = source_from_json(json.loads(json.dumps(source_to_json(whole))))
    assert again.fingerprint == whole.fingerprint


def test_a_fingerprint_is_the_same_in_every_process_and_version() -> None:
    # folders on disk are named after it: where it has to change, caches start anew
    text = (
        '["resnet18", {"num_classes": 7}, "untrained:0", {"crop_pct": 1.0, "input_size": 128.0, '
        '"interpolation": "bilinear", "mean": [0.485, 0.456, 0.406], '
        '"std": [0.229, 0.224, 0.225]}]'
    )
    assert SOURCE.fingerprint == hashlib.sha256(text.encode()).hexdigest()


def _older_fingerprint(source: Source) -> str:
    """Return what stood for the source when its preprocessing was left out."""
    assert isinstance(source.weights, Untrained)
    weights = f"untrained:{source.weights.seed}"
    text = json.dumps([source.architecture, dict(source.kwargs), weights], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def sizes() -> tuple[Source, Source]:
    """One network, listed at 32 and at 48 pixels."""
    small = tiny_source("small")
    enlarged = replace(small.preprocessing, input_size=48)
    return small, replace(small, name="large", preprocessing=enlarged)


@pytest.mark.parametrize("first", [0, 1])
def test_each_size_of_a_network_has_features_of_its_own_whichever_is_asked_first(
    sizes: tuple[Source, Source], tmp_path: Path, first: int
) -> None:
    images = shapes(2, 3)
    alone = [_read(tiny_readers(tmp_path / s.name)[s], images) for s in sizes]
    together = tiny_readers(tmp_path / "together")
    order = [sizes[first], sizes[1 - first]]
    found = {source.name: _read(together[source], images) for source in order}
    for source, (pooled, inputs, stage) in zip(sizes, alone, strict=True):
        np.testing.assert_array_equal(found[source.name][0], pooled)
        np.testing.assert_array_equal(found[source.name][1], inputs)
        np.testing.assert_array_equal(found[source.name][2], stage)
    assert np.abs(alone[0][0] - alone[1][0]).max() > 0.01
    assert [alone[i][1].shape[-1] for i in (0, 1)] == [32, 48]


def _read(reader: Features, images: ImageSet) -> tuple[Any, Any, Any]:
    """Return the last stage, the input, and the raw output of the first stage."""
    rows = np.arange(len(images))
    inputs, stage = (reader.inputs(images, stage).batch(rows).numpy() for stage in (0, 1))
    return reader(images), inputs, stage


def test_each_size_has_a_table_of_its_own_on_disk(
    sizes: tuple[Source, Source], tmp_path: Path
) -> None:
    images = shapes(2, 3)
    readers = tiny_readers(tmp_path)
    wanted = [readers[source](images) for source in sizes]
    assert len(list((tmp_path / "features").iterdir())) == 2
    later = tiny_readers(tmp_path)
    for source, features in zip(sizes, wanted, strict=True):
        assert later[source].missing(images) == 0
        np.testing.assert_array_equal(later[source](images), features)


def test_rows_that_an_older_version_kept_are_not_read(tmp_path: Path) -> None:
    images, source = shapes(2, 3), tiny_source()
    wanted = tiny_readers(tmp_path / "fresh")[source](images)
    table = FeatureStore(tmp_path / "older").table(source)
    key = json.dumps([1, _older_fingerprint(source), asdict(source.preprocessing)])
    table._folder = table._folder.with_name(hashlib.sha256(key.encode()).hexdigest()[:32])
    width = tiny_readers(tmp_path / "fresh")[source].layout.width
    table.set_layout(RowLayout((width,), 0, 1.0))
    table.append(images.digests, np.zeros((len(images), width), dtype=np.float32))
    found = tiny_readers(tmp_path / "older")[source]
    assert found.missing(images) == len(images)
    np.testing.assert_allclose(found(images), wanted, atol=1e-6)


def test_places_that_an_older_version_recorded_are_no_prior(
    sizes: tuple[Source, Source], tmp_path: Path
) -> None:
    file = tmp_path / "autotransfer.db"
    values = [("small", 0.9), ("large", 0.1)]
    outcomes = [Outcome(0, n, "any", {}, State.COMPLETE, value) for n, value in values]
    record_places(file, "target", sizes, outcomes)
    assert priors(sizes, mean_places(file, without="")) == [0.0, -1.0]
    older = {_older_fingerprint(source): 0.5 for source in sizes}
    assert priors(sizes, older) == [None, None]


def test_each_size_has_a_baseline_of_its_own(sizes: tuple[Source, Source], tmp_path: Path) -> None:
    images = shapes(3, 6)
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    sealed = open_target((noise, [*images.class_names] * 2), minimum_per_class=1).train
    stand = EvaluationSplit(((images, sealed),), np.arange(len(sealed)), HELD_OUT_ITEMS)
    readers, cache = tiny_readers(tmp_path), BaselineCache(discover(), tmp_path / "kept")
    context = LabelledContext(
        images, (), None, readers, metric_named("accuracy"), baselines=("untrained-features",)
    )
    for _ in range(2):
        found = [
            next(Baselines(context, s, cache, 0, None).on(stand)).probabilities for s in sizes
        ]
        assert np.abs(found[0] - found[1]).max() > 0.01
    assert len(list((tmp_path / "kept" / "baselines").iterdir())) == 2
