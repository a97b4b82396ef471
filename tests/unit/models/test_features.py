from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.images.views import View
from autotransfer.errors import DataWarning, UndefinedScoreError
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch size of every forward pass of a frozen source."""
    sizes: list[int] = []
    features, activations = Backbone.features, Backbone.activations

    def counted_features(self: Backbone, x: object) -> object:
        sizes.append(len(x))  # type: ignore[arg-type]
        return features(self, x)  # type: ignore[arg-type]

    def counted_activations(self: Backbone, x: object, stage: int) -> object:
        sizes.append(len(x))  # type: ignore[arg-type]
        return activations(self, x, stage)  # type: ignore[arg-type]

    monkeypatch.setattr(Backbone, "features", counted_features)
    monkeypatch.setattr(Backbone, "activations", counted_activations)
    return sizes


def test_each_picture_passes_once_for_all_stages_and_all_readers(
    tmp_path: Path, passes: list[int]
) -> None:
    images = shapes(3, 7)
    reader = tiny_readers(tmp_path)[tiny_source()]
    last = reader(images)
    assert sum(passes) == 21
    for stage in range(1, reader.num_stages + 1):
        assert reader(images, stage).shape[0] == 21
    np.testing.assert_array_equal(reader(images.subset([4, 2])), last[[4, 2]])
    another = tiny_readers(tmp_path)[tiny_source()]
    np.testing.assert_array_equal(another(images), last)
    assert reader.probabilities(images).shape == (21, 5)
    assert sum(passes) == 21


def test_only_missing_pictures_pass(tmp_path: Path, passes: list[int]) -> None:
    images = shapes(2, 5)
    reader = tiny_readers(tmp_path)[tiny_source()]
    reader(images.subset([0, 1, 2]))
    assert reader.missing(images) == 7
    reader(images)
    assert sum(passes) == 10


def test_cached_maps_lie_channels_last_as_the_network_left_them(tmp_path: Path) -> None:
    images = shapes(2, 3)
    reader = tiny_readers(tmp_path)[tiny_source()]
    found = reader.inputs(images, 2).batch(np.array([4, 1, 1]))
    assert found.is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = reader.backbone.activations(reader.standardised(images), 2)[[4, 1, 1]]
    torch.testing.assert_close(found, expected)


def test_a_frozen_prefix_runs_once_for_a_picture(tmp_path: Path, passes: list[int]) -> None:
    images = shapes(2, 4)
    reader = tiny_readers(tmp_path)[tiny_source()]
    inputs = reader.inputs(images, 2)
    first = inputs.batch(np.arange(8))
    second = inputs.batch(np.array([3, 1]))
    assert sum(passes) == 8
    assert (second == first[[3, 1]]).all()


def test_maps_that_make_room_for_others_of_the_same_batch_are_still_there(tmp_path: Path) -> None:
    images, source = shapes(2, 4), tiny_source()
    expected = tiny_readers(tmp_path)[source].inputs(images, 2).batch(np.arange(8))
    most_bytes = 2 * expected[0].nbytes
    store, pixels = FeatureStore(tmp_path), PixelStore(1 << 26)
    readers = FeatureReaders(store, pixels, load_backbone, torch.device("cpu"), most_bytes)
    inputs = readers[source].inputs(images, 2)
    inputs.batch(np.arange(2))
    torch.testing.assert_close(inputs.batch(np.array([0, 2, 3])), expected[[0, 2, 3]])


def test_stage_zero_gives_the_standardised_picture_and_its_mirror_image(tmp_path: Path) -> None:
    images = shapes(2, 2)
    reader = tiny_readers(tmp_path)[tiny_source()]
    plain = reader.inputs(images, 0).batch(np.arange(4))
    mirrored = reader.inputs(images, 0, view=View("mirror")).batch(np.arange(4))
    assert plain.shape == (4, 3, 32, 32)
    assert (mirrored.flip(-1) == plain).all()
    pixel = np.asarray(images[0])[5, 6, 1]
    assert plain[0, 1, 5, 6].item() == pytest.approx((pixel / 255 - 0.5) / 0.5, abs=1e-5)


def test_two_tables_may_fill_one_folder(tmp_path: Path) -> None:
    store, source = FeatureStore(tmp_path), tiny_source()
    one, two = store.table(source), store.table(source)
    for table, digest in ((one, "aa" * 32), (two, "bb" * 32)):
        table.set_layout(RowLayout((2, 3), 0, 1.0))
        table.append([digest], np.arange(5, dtype=np.float32)[None])
    again = store.table(source)
    for digest in ("aa" * 32, "bb" * 32):
        np.testing.assert_array_equal(again.read([digest], 2, 5), [[2, 3, 4]])


def test_a_damaged_shard_is_left_out_and_computed_again(tmp_path: Path, passes: list[int]) -> None:
    images = shapes(2, 3)
    expected = tiny_readers(tmp_path)[tiny_source()](images)
    (shard,) = tmp_path.rglob("*.npy")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.warns(DataWarning, match="damaged or changed"):
        found = tiny_readers(tmp_path)[tiny_source()](images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert sum(passes) == 12


def test_the_table_used_longest_ago_goes_first(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, max_bytes=5000)
    for seed in range(3):
        table = store.table(tiny_source(seed=seed))
        table.set_layout(RowLayout((500,), 0, 1.0))
        table.append([f"{seed:064x}"], np.ones((1, 500), dtype=np.float32))
    assert store.table(tiny_source(seed=2)).read([f"{2:064x}"], 0, 1) == 1
    assert f"{0:064x}" not in store.table(tiny_source(seed=0))


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file where the folder should be")
    reader = tiny_readers(tmp_path)[tiny_source()]
    with pytest.warns(DataWarning, match="AUTOTRANSFER_CACHE"):
        assert reader(shapes(2, 2)).shape[0] == 4


def test_a_predictor_without_a_source_may_not_read_features() -> None:
    with pytest.raises(UndefinedScoreError):
        NO_FEATURES(shapes(2, 2))
