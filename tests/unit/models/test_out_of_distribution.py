from __future__ import annotations

import numpy as np
import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.models.out_of_distribution import MOST_REFERENCES, NEIGHBOUR, Rejection


def cloud(n: int, seed: int, shift: float = 0.0, d: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, 0] += 6.0
    x[:, 1] += shift
    return x


def made(x: np.ndarray) -> Rejection:
    found = Rejection.of(x)
    assert found is not None
    return found


def test_the_distance_is_one_minus_the_cosine_of_the_second_nearest_other() -> None:
    x = cloud(30, 0)
    found = made(x)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for i in (0, 7, 29):
        cosines = np.sort(np.delete(unit @ unit[i], i))[::-1]
        assert found.distances[i] == pytest.approx(1 - cosines[NEIGHBOUR - 1], abs=1e-6)
    new = cloud(1, 9)
    cosines = np.sort(unit @ (new[0] / np.linalg.norm(new[0])))[::-1]
    assert found.distance(new)[0] == pytest.approx(1 - cosines[NEIGHBOUR - 1], abs=1e-6)


def test_about_the_stated_share_of_new_pictures_of_the_same_kind_is_rejected() -> None:
    shares = [made(cloud(300, s)).rejected(cloud(300, s + 100), 0.1).mean() for s in range(8)]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_what_lies_elsewhere_is_rejected() -> None:
    assert made(cloud(300, 0)).rejected(cloud(100, 1, shift=20.0), 0.05).all()


def test_the_threshold_is_the_conformal_quantile() -> None:
    found = Rejection(np.eye(19, dtype=np.float32), np.arange(1.0, 20.0))
    assert found.threshold(0.05) == 19.0  # ceil(20 x 0.95) = the 19th of 19
    assert found.threshold(0.5) == 10.0


def test_too_few_pictures_for_a_share_are_refused_with_the_number_needed() -> None:
    found = Rejection(np.eye(18, dtype=np.float32), np.arange(18.0))
    with pytest.raises(InvalidOptionError, match="at least 19 are needed"):
        found.threshold(0.05)
    assert Rejection.of(cloud(NEIGHBOUR, 0)) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(InvalidOptionError, match=r"must be in \(0, 1\)"):
        made(cloud(30, 0)).threshold(share)


def test_of_many_pictures_a_thousand_are_kept() -> None:
    found = made(cloud(MOST_REFERENCES + 50, 0, d=4))
    assert found.references.shape == (MOST_REFERENCES, 4)
    assert len(found.distances) == MOST_REFERENCES


def _classes(n: int, seed: int, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(n) % len(centres)
    noise = np.random.default_rng(seed).normal(size=(n, centres.shape[1]))
    return centres[labels] + noise, labels


def test_a_class_that_lies_between_the_known_ones_is_found_among_many() -> None:
    centres = 6 * np.eye(3, 24)
    found = Rejection.of(*_classes(600, 0, centres))
    assert found is not None
    known, _ = _classes(200, 1, centres)
    between, _ = _classes(100, 2, centres[:2].mean(axis=0, keepdims=True) + centres[2] / 2)
    told = found.unknown(np.concatenate([known, between]))
    assert 0.15 < told.least <= 1 / 3
    assert (told.probability[200:] > 0.5).mean() > 0.6
    assert (told.probability[:200] > 0.5).mean() < 0.12
    assert found.unknown(known).least == 0.0


def test_a_single_image_that_lies_between_classes_is_rejected_for_its_entropy_as_well() -> None:
    centres = 4 * np.eye(3, 8)
    x, labels = _classes(600, 0, centres)
    found, by_distance = Rejection.of(x, labels), made(x)
    assert found is not None
    noise = np.random.default_rng(2).normal(size=(100, 8)) / 2
    between = centres[:2].mean(axis=0) + noise
    assert by_distance.rejected(between, 0.05).mean() < 0.1
    assert found.rejected(between, 0.05).mean() > 0.45
    shares = [found.rejected(_classes(300, s, centres)[0], 0.05).mean() for s in range(3, 9)]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.03)


def test_without_a_probe_the_distance_alone_is_judged() -> None:
    found = made(cloud(300, 0))
    mixed = np.concatenate([cloud(100, 1), cloud(100, 2, shift=20.0)])
    assert 0.4 < found.unknown(mixed).least <= 0.5
