from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotransfer.cli import run
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.guard import from_scratch
from autotransfer.models.backbone import load_backbone
from autotransfer.models.source import Source, Untrained
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.testing import shapes
from tests.docs.blocks import DOCS, blocks
from tests.end_to_end.conftest import draw_verdict_alone

LABELLED = (
    "photos", "other-photos", "more-photos", "new-photos", "labelled", "labelled_photos",
    "catalogue_pictures", "more",
)  # fmt: skip
FLAT = ("target", "more_photos", "dusk", "night")
CLASSES = 5


def write_pictures(folder: Path, seed: int, *, flat: bool = False) -> None:
    """Write bars of five directions, eight of each."""
    images = shapes(CLASSES, 8, seed=seed)
    for i, label in enumerate(images.labels):
        place = folder if flat else folder / images.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(images[i])).save(place / f"{i:03d}.png")


def _write_catalogue(folder: Path) -> None:
    entries = []
    for seed, name in enumerate(("my-network", "another-network")):
        source = Source(
            name, "test_resnet", Untrained(seed), Preprocessing(32), {"num_classes": 0}
        )
        write_state_dict(
            folder / f"{name}.safetensors", load_backbone(source).network.state_dict()
        )
        entries.append(
            f'[[source]]\nname = "{name}"\narchitecture = "test_resnet"\n'
            f'weights = "{name}.safetensors"\nkwargs = {{ num_classes = 0 }}\n'
            'input_size = 32\nlicense = "Apache-2.0"\n'
        )
    (folder / "catalogue.toml").write_text("\n".join(entries), encoding="utf-8")


def _write_attributes(folder: Path) -> None:
    rows = ["class,cosine,sine"]
    for k, name in [
        *((k, f"direction {k}") for k in range(CLASSES)),
        (0.5, "new"),
        (2.5, "newer"),
    ]:
        angle = 2 * np.pi * k / CLASSES
        rows.append(f"{name},{np.cos(angle):.4f},{np.sin(angle):.4f}")
    (folder / "classes.csv").write_text("\n".join(rows), encoding="utf-8")


def _write_files_of_the_pages(folder: Path) -> None:
    """Write what a page tells the reader to save."""
    guide, weights = blocks(DOCS / "plugin-guide.md"), blocks(DOCS / "howto" / "own-weights.md")
    python = [block.text for block in guide if block.language == "python"]
    (folder / "nearest_mean.py").write_text(python[0], encoding="utf-8")
    (folder / "more_parts.py").write_text(python[1], encoding="utf-8")
    toml = [block.text for block in guide if block.language == "toml"]
    (folder / "small-heads.toml").write_text(toml[0], encoding="utf-8")
    toml = [block.text for block in weights if block.language == "toml"]
    (folder / "my-weights.toml").write_text(toml[0], encoding="utf-8")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """Everything that the pages name, on generated images and tiny networks."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    for seed, name in enumerate((*LABELLED, *FLAT)):
        write_pictures(folder / name, seed, flat=name in FLAT)
    _write_catalogue(folder)
    _write_attributes(folder)
    _write_files_of_the_pages(folder)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features and baselines, which are the same on every page: the images are."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def demo(template: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template, which is the working folder."""
    folder = tmp_path / "demo"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(cache))
    monkeypatch.syspath_prepend(str(folder))
    return folder


def brief_fits(patch: pytest.MonkeyPatch) -> None:
    """Train baselines for an epoch and draw few figures: the pages are about what to type."""
    patch.setattr(from_scratch, "SCHEDULE", replace(from_scratch.SCHEDULE, epochs=1))
    draw_verdict_alone(patch)


@pytest.fixture(scope="session")
def fitted(template: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit for pages that begin with one."""
    folder = tmp_path_factory.mktemp("fitted")
    shutil.copy(template / "mlflow.db", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(cache))
        patch.chdir(folder)
        brief_fits(patch)
        target, catalogue = str(template / "photos"), str(template / "catalogue.toml")
        options = ["--trials", "1", "--strategy", "feature-extraction", "--out", "photos-1"]
        assert run(["fit", target, "--sources", catalogue, *options]) == 0
    return folder / "photos-1"
