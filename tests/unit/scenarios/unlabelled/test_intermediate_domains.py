from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_images
from autotransfer.errors import InvalidTargetError
from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.intermediate_domains import (
    DomainPath,
    IntermediateDomain,
    choose_domain_path,
    left_out,
    open_intermediate_domains,
)


class _OneFeature:
    """A backbone that sees only how bright an image is, and noise."""

    num_stages = 1

    def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float32]:
        bright = [np.asarray(images[i]).mean() for i in range(len(images))]
        noise = np.random.default_rng(0).normal(size=(len(images), 2))
        return np.column_stack([bright, noise]).astype(np.float32)


def _brighter(by: int, seed: int, spread: int = 40) -> ImageSet:
    rng = np.random.default_rng(seed)
    level = np.clip(rng.normal(60 + by, spread, 80), 0, 255)[:, None, None, None]
    pixels = np.broadcast_to(level, (80, 8, 8, 3)) + rng.integers(0, 2, (80, 8, 8, 3))
    return _set(np.clip(pixels, 0, 255).astype(np.uint8))


def _set(pixels: NDArray[np.uint8]) -> ImageSet:
    return open_images(pixels)


def _domain_path(domains: list[IntermediateDomain], target: ImageSet) -> DomainPath:
    reader: Any = _OneFeature()
    return choose_domain_path(domains, _brighter(0, 0), target, reader, seed=0)


def test_the_way_goes_through_what_lies_between() -> None:
    domains = [
        IntermediateDomain("half way", _brighter(60, 1), labelled=False),
        IntermediateDomain("far off", _brighter(200, 2, 5), labelled=False),
    ]
    path = _domain_path(domains, _brighter(120, 3))
    assert path.names == ("half way",)
    assert "source -> half way -> target" in path.sentence
    assert not path.refused
    assert [skip.source for skip in left_out(domains, path)] == ["through far off"]


def test_a_detour_is_refused_with_the_measured_distances() -> None:
    domains = [IntermediateDomain("far off", _brighter(200, 2, 5), labelled=False)]
    path = _domain_path(domains, _brighter(10, 3))
    assert path.domains == ()
    assert "the direct hop is taken" in path.refused
    (skip,) = left_out(domains, path)
    assert skip.reason == path.refused


def _pair(images: ImageSet, names: list[str]) -> tuple[NDArray[np.uint8], list[str]]:
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    return pixels, [names[k] for k in images.labels]


def test_labels_of_shared_classes_are_used_and_other_classes_left_out() -> None:
    images = shapes(3, 30, seed=0)
    given = _pair(images, ["direction 0", "else", "direction 2"])
    (domain,) = open_intermediate_domains(Options(through=[given]), images.class_names, [])
    assert domain.labelled
    found = {domain.images.class_names[k] for k in domain.images.labels}
    assert found == {"direction 0", "direction 2"}


def test_stones_of_other_classes_are_refused() -> None:
    given = _pair(shapes(2, 30, seed=0), ["cat", "dog"])
    with pytest.raises(InvalidTargetError, match="share no name"):
        open_intermediate_domains(Options(through=[given]), ("direction 0",), [])


def test_pictures_of_source_and_target_are_no_stones() -> None:
    images = shapes(2, 30, seed=0)
    pixels, _ = _pair(images, ["a", "b"])
    with pytest.raises(InvalidTargetError, match="0 intermediate"):
        open_intermediate_domains(Options(through=[pixels]), images.class_names, [images])


def test_nine_sets_are_too_many() -> None:
    with pytest.raises(InvalidTargetError, match="at most 8"):
        open_intermediate_domains(Options(through=["x"] * 9), (), [])


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTargetError, match="nowhere"):
        open_intermediate_domains(Options(through=[str(tmp_path / "nowhere")]), (), [])
