"""Words for distances, and faults of a catalogue, on real images and real networks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import autotransfer
from autotransfer.cli import run
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_images
from autotransfer.inspection.distance import Distance
from autotransfer.models.weights import write_state_dict

pytestmark = [pytest.mark.kit, pytest.mark.slow, pytest.mark.timeout(900)]

CHECKED = ("mobilenetv1-025-imagenet", "resnet20-cifar10")  # the quickest of each list of classes
IMAGES = {"mobilenetv1-025-imagenet": "imagenet_sample.zip", "resnet20-cifar10": "cifar10.zip"}


def _drawn(pictures: str, num: int) -> ImageSet:
    images = open_images(pictures)
    return images.subset(np.random.default_rng(3).permutation(len(images))[:num])


def _halves(pictures: str, num: int) -> tuple[ImageSet, ImageSet]:
    images = _drawn(pictures, 2 * num)
    return images.subset(range(num)), images.subset(range(num, len(images)))


def _distance(kit: Path, first: Any, second: Any) -> Distance:
    return autotransfer.distance(
        first,
        second,
        sources=str(kit / "weights" / "catalogue.toml"),
        source=["mobilenetv1-025-imagenet"],
        plugins=[kit / "weights" / "timm_extra.py"],
    )


@pytest.mark.parametrize(
    ("place", "num"),
    [
        ("{}/flowers5.zip", 300),
        ("{}/flowers5.zip", 10),
        ("{}/hymenoptera.zip", 190),
        ("zip://photo::{}/pacs.zip", 140),
        ("zip://sketch::{}/pacs.zip", 140),
        ("{}/mnist.npz", 200),
    ],
)
def test_two_halves_of_one_set_are_near_by_every_measure(kit: Path, place: str, num: int) -> None:
    found = _distance(kit, *_halves(place.format(kit / "data"), num))
    assert set(found.levels.values()) == {"near"}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("zip://photo::{}/pacs.zip", "zip://sketch::{}/pacs.zip", "far apart"),
        ("{}/mnist.npz", "{}/mnistm.npz", "far apart"),
        ("{}/eurosat.zip", "{}/flowers5.zip", "far apart"),
        ("zip://photo::{}/pacs.zip", "zip://art_painting::{}/pacs.zip", "moderately far apart"),
    ],
)
def test_other_pictures_are_as_far_apart_as_people_would_say(
    kit: Path, first: str, second: str, word: str
) -> None:
    found = _distance(kit, *(_drawn(place.format(kit / "data"), 280) for place in (first, second)))
    assert found.sentence.startswith(f"The two sets are {word} (")


def _entries(kit: Path) -> dict[str, str]:
    """Return the entries of the catalogue that are checked, with whole paths."""
    weights = kit / "weights"
    found = {}
    for entry in (weights / "catalogue.toml").read_text(encoding="utf-8").split("[[source]]"):
        for name in CHECKED:
            if f'name = "{name}"' in entry:
                found[name] = re.sub(
                    r'^(weights|class_names) = "([^"]+)"',
                    rf'\1 = "{weights}/\2"',
                    entry,
                    flags=re.M,
                )
    return found


def _value(entry: str, key: str) -> str:
    found = re.search(rf'^{key} = "(.*)"$', entry, re.M)
    assert found is not None
    return found[1]


def _statistics(entry: str, folder: Path) -> str:
    entry = re.sub(r"^mean = .*$", "mean = [0, 0, 0]", entry, flags=re.M)
    return re.sub(r"^std = .*$", "std = [1, 1, 1]", entry, flags=re.M)


def _names(entry: str, folder: Path) -> str:
    file = Path(_value(entry, "class_names"))
    first, *others = file.read_text(encoding="utf-8").strip().splitlines()
    (folder / "shifted.txt").write_text("\n".join([*others, first]), encoding="utf-8")
    return entry.replace(str(file), str(folder / "shifted.txt"))


def _channels(entry: str, folder: Path) -> str:
    file = Path(_value(entry, "weights"))
    state = load_file(file)
    first = next(k for k, v in state.items() if v.ndim == 4 and v.shape[1] == 3)
    state[first] = state[first].flip(1).contiguous()
    sha256 = write_state_dict(folder / "swapped.safetensors", state)
    entry = entry.replace(str(file), str(folder / "swapped.safetensors"))
    return re.sub(r"^sha256 = .*$", f'sha256 = "{sha256}"', entry, flags=re.M)


def _check(
    kit: Path, name: str, entry: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    (folder / "planted.toml").write_text(f"[[source]]\n{entry}", encoding="utf-8")
    code = run(
        [
            *("sources", "--check", "--on", str(kit / "data" / IMAGES[name]), "--json"),
            *("--sources", str(folder / "planted.toml")),
            *("--plugin", str(kit / "weights" / "timm_extra.py")),
        ]
    )
    check: dict[str, Any] = json.loads(capsys.readouterr().out)["checks"][0]
    return code, check


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (_statistics, "mean or std is wrong"),
        (_names, "one line too early"),
        (_channels, "blue, green, red"),
    ],
)
def test_a_planted_fault_is_found_and_named(
    kit: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    plant: Callable[[str, Path], str],
    words: str,
) -> None:
    code, check = _check(kit, name, plant(_entries(kit)[name], tmp_path), tmp_path, capsys)
    assert (code, check["ok"]) == (2, False)
    assert words in check["findings"][0]


@pytest.mark.parametrize("name", CHECKED)
def test_what_is_right_is_fine(
    kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, check = _check(kit, name, _entries(kit)[name], tmp_path, capsys)
    assert (code, check["ok"], check["findings"]) == (0, True, [])
    assert check["accuracy"] > 30 * check["chance"] or check["accuracy"] > 0.8


def test_the_catalogue_without_pictures_has_no_fault(
    kit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *("sources", "--check", "--json", "--sources", str(kit / "weights" / "catalogue.toml")),
        *("--plugin", str(kit / "weights" / "timm_extra.py")),
    ]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["checks"]) == 15
    assert found["skipped"] == []
    assert all(check["ok"] is None for check in found["checks"])
