"""The chosen sources as a transformer: the features that the fit read, in any pipeline."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import autotransfer
from autotransfer.data.target import open_images
from autotransfer.errors import InvalidOptionError
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.testing import shapes
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection
from autotransfer.selection.source_features import SourceFeatures
from autotransfer.selection.taps import taps_of
from tests.unit.conftest import MakeRecord

IMAGES = shapes(2, 8, seed=0)
PIXELS = np.stack([np.asarray(IMAGES[i]) for i in range(len(IMAGES))])
LABELS = np.array(["level", "upright"])[IMAGES.labels]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    """A fit of which the mixture of the probes of two sources is returned."""
    folder = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(folder / "cache"))
        return autotransfer.fit(
            PIXELS,
            LABELS,
            sources=[tiny_source("one"), tiny_source("two", seed=1)],
            strategies=["mixture-of-probes"],
            trials=1,
            guard=False,
            tracking_uri="off",
            workspace=folder,
            device="cpu",
        )


def test_each_chosen_source_and_stage_is_a_block_of_columns(selection: Selection) -> None:
    found = selection.features(PIXELS)
    taps = taps_of(selection.kept)
    assert {tap.source.name for tap in taps} == {"one", "two"}
    items = open_images(PIXELS)
    expected = [selection._readers[tap.source](items, tap.stage) for tap in taps]
    np.testing.assert_array_equal(found, np.concatenate(expected, axis=1))
    transformer = selection.features()
    transformer.transform(PIXELS[:1])
    names = transformer.get_feature_names_out()
    assert len(names) == len(set(names)) == found.shape[1]
    assert names[0] == f"{taps[0].source.name}-{taps[0].stage}-0"


def test_it_stands_in_a_pipeline_and_can_be_cloned(selection: Selection) -> None:
    pipeline = make_pipeline(SourceFeatures(selection), LogisticRegression())
    assert pipeline.fit(PIXELS, LABELS).score(PIXELS, LABELS) >= 0.9
    again = clone(SourceFeatures(selection)).fit()
    np.testing.assert_allclose(
        again.transform(PIXELS[:2]), selection.features(PIXELS[:2]), atol=1e-6
    )
    assert again.set_output(transform="pandas").transform(PIXELS[:2]).shape[0] == 2


def test_what_reads_no_source_has_no_features(make_record: MakeRecord) -> None:
    kept = Checkpoint(MajorityPredictor(np.ones(2) / 2), MAJORITY, baseline=True, source=None)
    with pytest.raises(InvalidOptionError, match=r"no frozen features.*majority"):
        Selection(make_record(), kept).features(PIXELS)


def test_a_selection_that_has_predicted_is_pickled_and_copied(selection: Selection) -> None:
    expected = selection.predict_proba(PIXELS)
    for again in (pickle.loads(pickle.dumps(selection)), copy.deepcopy(selection)):  # noqa: S301
        np.testing.assert_allclose(again.predict_proba(PIXELS), expected, atol=1e-12)


def test_columns_of_paths_and_a_single_image_are_taken(
    selection: Selection, tmp_path: Path
) -> None:
    paths = []
    for i, pixels in enumerate(PIXELS[:4]):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        paths.append(str(tmp_path / f"{i}.png"))
    expected = selection.predict(paths).tolist()
    forms: list[Any] = [
        pd.Series(paths),
        pd.Series(paths, dtype="category"),
        pd.Index(paths),
        pd.DataFrame({"where it is": paths}),
        pd.DataFrame(paths),
        pd.DataFrame({"image": paths}),
        np.array(paths, dtype=object)[:, None],
        pd.DataFrame({"x": [Image.fromarray(pixels) for pixels in PIXELS[:4]]}),
    ]
    for form in forms:
        assert selection.predict(form).tolist() == expected
    for single in (PIXELS[0], Image.fromarray(PIXELS[0]), paths[0]):
        assert selection.predict(single).tolist() == expected[:1]
