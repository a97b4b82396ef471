from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autotransfer.cli import run
from autotransfer.errors import InvalidOptionError
from autotransfer.inspection.layer_curve import Point, layers
from autotransfer.plugin.testing.tiny import shapes, tiny_source


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))


def test_every_number_of_copied_stages_has_a_frozen_and_a_tuned_point() -> None:
    curve = layers(shapes(2, 16), sources=[tiny_source()], epochs=2, repeats=2)
    assert [point.copied for point in curve.of("frozen")] == [0, 1, 2, 3, 4, 5]
    assert [point.copied for point in curve.of("tuned")] == [0, 1, 2, 3, 4, 5]
    assert all(len(point.accuracies) == 2 for point in curve.points)
    assert all(0 <= a <= 1 for point in curve.points for a in point.accuracies)
    assert curve.num_stages == 5
    # nothing copied is the same network, frozen or tuned
    assert curve.of("frozen")[0].accuracies == curve.of("tuned")[0].accuracies


def test_the_error_is_that_of_the_mean() -> None:
    point = Point(1, "frozen", (0.5, 0.7, 0.9))
    assert point.mean == pytest.approx(0.7)
    assert point.error == pytest.approx(0.2 / np.sqrt(3))
    assert Point(1, "frozen", (0.5,)).error == 0.0


def test_a_number_of_epochs_below_one_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="at least 1, got 0"):
        layers(shapes(2, 16), sources=[tiny_source()], epochs=0)


def test_the_command_draws_a_picture_and_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(low, low + 100, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "catalogue.toml").write_text(
        '[[source]]\nname = "tiny"\narchitecture = "test_resnet"\nuntrained = true\n'
        "input_size = 32\n"
    )
    arguments = ["layers", "photos", "--sources", "catalogue.toml", "--source", "tiny"]
    short = ["--epochs", "1", "--repeats", "1", "--out", "curve.png"]
    assert run([*arguments, *short, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stages"] == 5
    assert len(found["points"]) == 12
    assert {point["mode"] for point in found["points"]} == {"frozen", "tuned"}
    with Image.open(tmp_path / found["plot"]) as picture:
        assert picture.size == (960, 600)
    assert run([*arguments, "--out", "curve.txt"]) == 2
    assert "must end with .png or .svg" in capsys.readouterr().err
