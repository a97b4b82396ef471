from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.backbone import load_backbone
from autotransfer.catalogue.checking import Check, check_source
from autotransfer.data.image_set import ImageSet
from autotransfer.data.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.heads import fit_ridge
from autotransfer.problem import LocalWeights, Source
from autotransfer.testing.tiny import SIDE, tiny_readers, tiny_source
from autotransfer.weights import write_state_dict

FOLDERS = ("red_bars", "Green Bars", "012_azure bars")
CLASSES = ("red bars", "green bars", "blue, azure bars")


def _coloured(per_class: int, seed: int) -> ImageSet:
    """Return bars in three colours, so that swapped channels swap classes."""
    rng = np.random.default_rng(seed)
    pixels, labels = [], []
    for channel, name in enumerate(FOLDERS):
        for _ in range(per_class):
            picture = rng.normal(90, 25, (SIDE, SIDE, 3))
            picture[:, :, channel] += 70 * (np.arange(SIDE) % 8 < 4)
            pixels.append(np.clip(picture, 0, 255).astype(np.uint8))
            labels.append(name)
    return open_target((np.stack(pixels), labels)).train


@pytest.fixture(scope="module")
def pictures() -> ImageSet:
    return _coloured(40, seed=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Return a source whose head knows the three colours."""
    folder = tmp_path_factory.mktemp("source")
    plain = replace(tiny_source("colours", seed=3), kwargs={"num_classes": 3})
    train = _coloured(60, seed=0)
    order = [
        train.class_names.index(name) for name in ("red_bars", "Green Bars", "012_azure bars")
    ]
    labels = np.argsort(order)[train.labels]
    head = fit_ridge(tiny_readers(folder)[plain](train), labels, 3)
    network = load_backbone(plain).network
    classifier = network.get_classifier()  # type: ignore[operator]
    with torch.no_grad():
        classifier.weight.copy_(torch.from_numpy(head.weight))
        classifier.bias.copy_(torch.from_numpy(head.bias))
    sha256 = write_state_dict(folder / "weights.safetensors", network.state_dict())
    weights = LocalWeights(folder / "weights.safetensors", sha256)
    return replace(plain, weights=weights, class_names=CLASSES)


def _check(source: Source, images: ImageSet | None) -> Check:
    return check_source(source, images, PixelStore(1 << 24), load_backbone)


def test_a_right_source_is_fine_and_classes_match_by_any_of_their_names(
    source: Source, pictures: ImageSet
) -> None:
    found = _check(source, pictures)
    assert found.ok is True
    assert found.findings == ()
    assert found.num_images == 120
    assert found.chance == pytest.approx(1 / 3)
    assert (found.accuracy or 0) > 0.9


@pytest.mark.parametrize(
    ("class_names", "words"),
    [
        ((CLASSES[2], *CLASSES[:2]), "one line too"),
        (CLASSES[::-1], "order"),  # of three colours, the same as swapped channels
    ],
)
def test_class_names_in_another_order_are_found(
    source: Source, pictures: ImageSet, class_names: tuple[str, ...], words: str
) -> None:
    found = _check(replace(source, class_names=class_names), pictures)
    assert found.ok is False
    assert words in found.findings[0].replace("blue, green, red", "another order")


def test_swapped_channels_are_found(source: Source, pictures: ImageSet, tmp_path: Path) -> None:
    network = load_backbone(source).network
    first = next(p for p in network.parameters() if p.ndim == 4)
    with torch.no_grad():
        first.copy_(first.flip(1).clone())
    sha256 = write_state_dict(tmp_path / "swapped.safetensors", network.state_dict())
    swapped = replace(source, weights=LocalWeights(tmp_path / "swapped.safetensors", sha256))
    found = _check(swapped, pictures)
    assert found.ok is False
    assert "blue, green, red" in found.findings[0] or "reverse order" in found.findings[0]


def test_pixels_that_are_not_scaled_as_in_training_are_found(
    source: Source, pictures: ImageSet
) -> None:
    wrong = replace(source.preprocessing, mean=(1.0, 0.0, 1.0), std=(0.2, 3.0, 9.0))
    found = _check(replace(source, preprocessing=wrong), pictures)
    assert found.ok is False
    assert "mean and std 0.5 fits" in found.findings[0]


def test_a_number_of_names_that_is_not_that_of_the_classes_is_found_without_pictures(
    source: Source,
) -> None:
    found = _check(replace(source, class_names=CLASSES[:2]), None)
    assert found.ok is False
    assert found.findings == ("there are 2 class names, but the head has 3 classes",)


def test_a_mean_for_pixels_up_to_255_is_found_without_pictures(source: Source) -> None:
    wrong = replace(source.preprocessing, mean=(127.5, 127.5, 127.5))
    assert "divide by 255" in _check(replace(source, preprocessing=wrong), None).findings[0]


def test_weights_that_are_missing_are_a_fault(source: Source, tmp_path: Path) -> None:
    gone = replace(source, weights=LocalWeights(tmp_path / "none.safetensors", "0" * 64))
    assert _check(gone, None).ok is False


def test_what_cannot_be_told_says_why(source: Source, pictures: ImageSet) -> None:
    nameless = _check(replace(source, class_names=None), pictures)
    assert (nameless.ok, nameless.findings) == (None, ("it has no class names to check with",))
    strangers = _check(replace(source, class_names=("a", "b", "c")), pictures)
    assert strangers.ok is None
    assert "fewer than two classes" in strangers.findings[0]
    assert "no pictures" in _check(source, None).findings[0]


def test_a_head_that_only_guesses_is_a_fault(pictures: ImageSet) -> None:
    random = replace(tiny_source(), kwargs={"num_classes": 3}, class_names=CLASSES)
    found = _check(random, pictures)
    assert found.ok is False
