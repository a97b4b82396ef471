from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.cli import run
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.verification import Check, check_source
from autotransfer.models.heads import fit_ridge
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.testing.tiny import SIDE, tiny_readers, tiny_source

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
    wrong = replace(source.preprocessing, mean=(1.0, 0.0, 1.0), std=(0.02, 1.0, 0.02))
    found = _check(replace(source, preprocessing=wrong), pictures)
    assert found.ok is False
    assert "mean and std 0.5 fits" in found.findings[0]
    assert "write mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]" in found.findings[0]


def test_a_number_of_names_that_is_not_that_of_the_classes_is_found_without_pictures(
    source: Source,
) -> None:
    found = _check(replace(source, class_names=CLASSES[:2]), None)
    assert found.ok is False
    assert found.findings == ("there are 2 class names, but the head has 3 classes",)


@pytest.mark.parametrize(
    "wrong",
    [
        Preprocessing(SIDE, mean=(127.5, 127.5, 127.5)),
        Preprocessing(SIDE, std=(58.4, 57.1, 57.4)),
    ],
)
def test_statistics_for_pixels_up_to_255_are_found_without_pictures(
    source: Source, wrong: Preprocessing
) -> None:
    found = _check(replace(source, preprocessing=wrong), None)
    assert found.ok is False
    assert "divide by 255" in found.findings[0]


def test_weights_with_a_hole_are_found_without_pictures(source: Source, tmp_path: Path) -> None:
    network = load_backbone(source).network
    with torch.no_grad():
        next(p for p in network.parameters() if p.ndim == 4)[0, 0, 0, 0] = float("inf")
    sha256 = write_state_dict(tmp_path / "hole.safetensors", network.state_dict())
    found = _check(
        replace(source, weights=LocalWeights(tmp_path / "hole.safetensors", sha256)), None
    )
    assert found.ok is False
    assert "not finite" in found.findings[0]


def test_weights_that_are_missing_are_a_fault(source: Source, tmp_path: Path) -> None:
    gone = replace(source, weights=LocalWeights(tmp_path / "none.safetensors", "0" * 64))
    assert _check(gone, None).ok is False


def test_what_cannot_be_told_says_why(source: Source, pictures: ImageSet) -> None:
    nameless = _check(replace(source, class_names=None), pictures)
    assert (nameless.ok, nameless.findings) == (None, ("it has no class names to check with",))
    strangers = _check(replace(source, class_names=("a", "b", "c")), pictures)
    assert strangers.ok is None
    assert "fewer than two classes" in strangers.findings[0]
    assert "no images" in _check(source, None).findings[0]


def test_a_head_that_only_guesses_is_a_fault(pictures: ImageSet) -> None:
    random = replace(tiny_source(), kwargs={"num_classes": 3}, class_names=CLASSES)
    found = _check(random, pictures)
    assert found.ok is False
    assert "no better than chance (33.3 %)" in found.findings[0]


def test_a_right_source_is_not_blamed_on_four_pictures(source: Source, pictures: ImageSet) -> None:
    few = pictures.subset([0, 1, 40, 41])  # all right by chance alone in 1 of 16 draws
    found = _check(source, few)
    assert (found.ok, found.accuracy, found.num_images) == (None, 1.0, 4)
    assert "give more images" in found.findings[0]


def _catalogue(folder: Path, source: Source, *names: tuple[str, ...]) -> str:
    """Write a catalogue with the source once for each list of class names."""
    assert isinstance(source.weights, LocalWeights)
    place = folder / "catalogue.toml"
    place.write_text(
        "\n".join(
            f'[[source]]\nname = "colours-{i}"\narchitecture = "{source.architecture}"\n'
            f'weights = "{source.weights.path}"\nkwargs = {{ num_classes = 3 }}\n'
            f"input_size = {source.preprocessing.input_size}\n"
            f"mean = {list(source.preprocessing.mean)}\nstd = {list(source.preprocessing.std)}\n"
            + (f"class_names = {json.dumps(given)}\n" if given else "")
            for i, given in enumerate(names)
        ),
        encoding="utf-8",
    )
    return str(place)


def _folders(root: Path) -> str:
    """Write coloured bars below one more folder than a target has."""
    images = _coloured(40, seed=1)
    for i, label in enumerate(images.labels):
        place = root / "all" / images.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        images[i].save(place / f"{i:03d}.png")
    return str(root)


def test_the_command_ends_with_two_for_a_fault_and_with_zero_otherwise(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = _folders(tmp_path / "pictures")
    right = _catalogue(tmp_path, source, CLASSES, ())
    arguments = ["sources", "--check", "--on", pictures, "--json", "--sources"]
    assert run([*arguments, right]) == 0
    fine, nameless = json.loads(capsys.readouterr().out)["checks"]
    assert (fine["source"], fine["ok"], fine["findings"]) == ("colours-0", True, [])
    assert (nameless["ok"], nameless["accuracy"]) == (None, None)
    wrong = _catalogue(tmp_path, source, CLASSES, (*CLASSES[1:], CLASSES[0]), CLASSES[:2])
    arguments.remove("--json")
    assert run([*arguments, wrong]) == 2
    printed = capsys.readouterr()
    faults = [line for line in printed.err.splitlines() if "FAULT" in line]
    assert [line.split(":")[0] for line in faults] == ["colours-1", "colours-2"]
    assert "1 fine, 2 faulty, 0 not to be told: correct colours-1, colours-2" in printed.out


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--on", "nowhere", "--check"], "nowhere"),
        (["--on", "nowhere"], "--check"),
    ],
)
def test_pictures_that_cannot_be_used_are_one_line(
    source: Source,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    words: str,
) -> None:
    assert run(["sources", "--sources", _catalogue(tmp_path, source, CLASSES), *extra]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert "Traceback" not in printed.err
