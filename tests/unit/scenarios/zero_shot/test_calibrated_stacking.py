from __future__ import annotations

import numpy as np
import pytest

from autotransfer.scenarios.zero_shot.calibrated_stacking import Division, calibrate


def _division(bias: float, seed: int) -> Division:
    """Return noisy scores in which seen classes have too much by `bias`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(200) % 8
    scores = rng.normal(size=(200, 8)) * 0.5
    scores[np.arange(200), labels] += 2
    scores[:, :5] += bias
    return Division(scores, labels, 5)


def test_the_handicap_takes_back_what_seen_classes_have_too_much() -> None:
    found = calibrate([_division(3.0, seed) for seed in range(4)])
    assert found.stacking_offset == pytest.approx(3.0, abs=0.4)
    assert min(found.unseen, found.seen) > 0.9
    plain = calibrate([_division(0.0, seed) for seed in range(4)])
    assert plain.stacking_offset == pytest.approx(0.0, abs=0.4)
    assert found.area == pytest.approx(plain.area)


def test_one_odd_division_does_not_decide() -> None:
    found = calibrate([_division(1.0, 0), _division(1.0, 1), _division(1.0, 2), _division(9.0, 3)])
    assert found.stacking_offset < 3


def test_two_divisions_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        calibrate([_division(0.0, 0), _division(0.0, 1)])
