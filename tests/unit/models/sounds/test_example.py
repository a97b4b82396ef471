"""The documented example reads the weights that it is written for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover

EXAMPLES = Path(__file__).resolve().parents[4] / "docs" / "examples"


@pytest.fixture(scope="module")
def networks(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    folder = tmp_path_factory.mktemp("networks")
    shutil.copy(EXAMPLES / "sound_networks.toml", folder)
    for name in ("resemblyzer_ge2e", "crepe_tiny"):
        (folder / f"{name}.safetensors").symlink_to(kit / "weights" / f"{name}.safetensors")
    discover(files=[EXAMPLES / "sound_networks.py"])
    found, _ = read_catalogue(folder / "sound_networks.toml")
    return {source.name: source for source in found}


@pytest.mark.parametrize(("name", "stages"), [("speaker", 4), ("pitch", 6)])
def test_each_network_says_the_same_of_a_sound_alone_and_in_a_batch(
    name: str, stages: int, networks: dict[str, Source], kit: Path
) -> None:
    items = open_target(kit / "data" / "spoken_digits.zip").train.subset([0, 100, 200])
    backbone = load_backbone(networks[name])
    assert backbone.num_stages == stages
    with torch.no_grad():
        together = backbone.features(backbone.prepared(items)).pooled
        alone = backbone.features(backbone.prepared(items.subset([1]))).pooled
    for one, several in zip(alone, together, strict=True):
        assert torch.allclose(one[0], several[1], atol=1e-4, rtol=1e-4)


def test_sounds_of_one_speaker_lie_nearer_than_those_of_two(
    networks: dict[str, Source], kit: Path
) -> None:
    items = open_target(kit / "data" / "spoken_digits.zip").train
    items = items.subset(np.arange(0, len(items), 8))
    speakers = np.array([Path(name).stem.split("_")[0] for name in items.names])
    backbone = load_backbone(networks["speaker"])
    with torch.no_grad():
        rows = backbone.features(backbone.prepared(items)).pooled[2].numpy()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    likeness, apart = rows @ rows.T, ~np.eye(len(rows), dtype=bool)
    same = speakers[:, None] == speakers
    assert likeness[same & apart].mean() > likeness[~same].mean() + 0.05
