"""The baseline of spectra."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from autotransfer.errors import InvalidTargetError
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.predictors.baselines import restore_baseline
from autotransfer.models.predictors.spectra import describe_sounds, fit_spectra
from tests.tiny_sounds import sound_set

NO_FEATURES = cast("FeatureReader", None)


def test_it_tells_tones_and_comes_back_as_it_was() -> None:
    train, tested = sound_set(6), sound_set(5, seed=1)
    found = fit_spectra(train, 3, seed=0)
    said = found.predict(tested, NO_FEATURES)
    assert (said.argmax(1) == tested.labels).mean() > 0.9
    again = restore_baseline("spectral-statistics", *found.state(), None)
    assert np.array_equal(again.predict(tested, NO_FEATURES), said)
    assert "logistic regression" in found.title


def test_descriptions_are_means_of_thirds_and_a_deviation() -> None:
    found = describe_sounds(sound_set(1))
    assert {name: rows.shape for name, rows in found.items()} == {
        "log-mel": (3, 160),
        "mfcc": (3, 80),
    }


def test_one_class_is_refused() -> None:
    items = sound_set(3)
    one = items.subset(np.flatnonzero(items.labels == 0))
    with pytest.raises(InvalidTargetError, match="at least 2 classes, got 1 in 3 sound"):
        fit_spectra(one, 3, seed=0)
