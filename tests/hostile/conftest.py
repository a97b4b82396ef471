from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.plugin.testing import shapes
from tests.end_to_end.conftest import write_bars, write_catalogue
from tests.hostile.place import Place
from tests.tiny_sounds import write_network, write_sounds
from tests.tiny_texts import write_table


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good input of every kind: targets, sources, a model, features, attributes."""
    root = tmp_path_factory.mktemp("good")
    write_catalogue(root / "sources")
    train, test = shapes(3, 12, seed=1), shapes(3, 10, seed=2)
    write_bars(root / "bars.npz")
    write_table(root / "words")
    write_sounds(root / "tones", 4)
    (root / "ears").mkdir()
    write_network(root / "ears")
    for folder, images in (("bars", train), ("others", test)):
        for i in range(len(images)):
            name = images.class_names[images.labels[i]]
            (root / folder / name).mkdir(parents=True, exist_ok=True)
            images[i].save(root / folder / name / f"{i:03d}.png")
    for i in range(len(train)):
        (root / "plain").mkdir(exist_ok=True)
        train[i].save(root / "plain" / f"{i:03d}.png")
    with (root / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "label"))
        writer.writerows(
            (path.relative_to(root), path.parent.name) for path in sorted(root.glob("bars/*/*"))
        )
    rows = np.random.default_rng(0).normal(size=(36, 6)).astype(np.float32)
    np.savez(root / "features.npz", one=rows, two=rows[:, :4], y_train=train.labels)
    (root / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(root / "cache"))
        autotransfer.fit(
            root / "bars.npz",
            sources=str(root / "sources" / "catalogue.toml"),
            budget="1 trials",
            max_sources=1,
            guard=False,
            workspace=root / "work",
            out=root / "model",
            tracking_uri="off",
        )
    shutil.rmtree(root / "work")
    return root


@pytest.fixture
def place(tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    root = tmp_path / "here"
    root.mkdir()
    monkeypatch.chdir(root)
    return Place(root, good)
