from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autotransfer.models.out_of_distribution import Rejection
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import shapes
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

IMAGES = shapes(2, 2)


def _answers(kept: Checkpoint) -> list[list[float]]:
    return kept.predict(IMAGES, None).tolist()  # type: ignore[arg-type, no-any-return]


def test_class_weights_come_before_the_temperature_here_and_after_a_reload(tmp_path: Path) -> None:
    # one to three; class 1 counts three times: one to nine; the root of nine is three. The other
    # way round it would be root three times three: 5.2
    predictor = MajorityPredictor(np.array([0.25, 0.75]))
    kept = Checkpoint(predictor, MAJORITY, baseline=True, source=None, temperature=2.0)
    kept = replace(kept, class_weights=(1.0, 3.0))
    expected = np.tile([0.25, 0.75], (len(IMAGES), 1))
    np.testing.assert_allclose(_answers(kept), expected)
    write_checkpoint(tmp_path / "kept", kept)
    again = read_checkpoint(tmp_path / "kept", discover(files=[]))
    assert (again.temperature, again.class_weights) == (2.0, (1.0, 3.0))
    np.testing.assert_allclose(_answers(again), expected)


def test_what_is_none_of_the_classes_is_told_alike_after_a_reload(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 3
    features = 6 * np.eye(3, 12)[labels] + generator.normal(size=(90, 12))
    mixed = np.concatenate([features, 9 - features])
    for given in (labels, None):  # None: as earlier versions saved it
        rejection = Rejection.of(features, given)
        assert rejection is not None
        predictor = MajorityPredictor(np.array([0.25, 0.75]))
        kept = Checkpoint(predictor, MAJORITY, baseline=True, source=None, rejection=rejection)
        write_checkpoint(tmp_path / "kept", kept)
        again = read_checkpoint(tmp_path / "kept", discover(files=[])).rejection
        assert again is not None
        assert (again.head is None) == (given is None)
        told, before = again.unknown(mixed), rejection.unknown(mixed)
        assert told.least == before.least > 0.2
        np.testing.assert_array_equal(told.probability, before.probability)
