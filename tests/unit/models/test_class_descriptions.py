"""Sentences about classes as rows of attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.models.backbone import load_backbone
from autotransfer.models.class_descriptions import describe, named_right
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.models.texts.hashed_words import small_text_source
from autotransfer.plugin.testing import shapes
from tests.tiny_texts import text_set, write_encoder, write_table

SAID = {"sport": "a goal of the team", "music": "the song and its beat", "money": "pay a fee"}


def _readers() -> FeatureReaders:
    return FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))


def test_the_share_that_the_nearest_row_names_right_is_a_mean_over_classes() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 5.0], [9.0, 9.0]])  # the last one has no items
    features = np.array([[2.0, 1.0], [3.0, 0.0], [1.0, 2.0], [1.0, 0.5]])
    labels = np.array([0, 0, 1, 1])  # the last item is more like the first row
    assert named_right(features, labels, rows) == (1.0 + 0.5) / 2


def test_the_source_whose_nearest_description_is_right_most_often_reads_them(
    tmp_path: Path,
) -> None:
    random = source_of_folder(write_encoder(tmp_path / "random"))
    table = source_of_folder(write_table(tmp_path / "table"))
    found = describe(SAID, [small_text_source(), random, table], _readers(), text_set(6))
    assert found is not None
    assert found.source.name == "table"
    assert found.right is not None
    assert found.right > 0.8
    assert found.values.shape == (3, 16)


def test_of_items_that_are_no_texts_the_first_source_of_texts_describes_the_classes(
    tmp_path: Path,
) -> None:
    table = source_of_folder(write_table(tmp_path / "table"))
    images = shapes(3, 2)
    said = dict(zip(images.class_names, SAID.values(), strict=True))
    found = describe(said, [table], _readers(), images)
    assert found is not None
    assert found.right is None
    assert describe(said, [small_text_source()], _readers(), images) is None  # not pretrained
