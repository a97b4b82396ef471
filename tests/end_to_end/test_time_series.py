"""A kind of items that a plugin adds, from files to a verdict, with public names alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import autotransfer
from autotransfer.cli import run
from autotransfer.data import item_kinds
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_target
from autotransfer.errors import CorruptImagesError, InvalidOptionError
from autotransfer.plugin.registry import discover
from autotransfer.search.executors.image_spool import packed
from autotransfer.selection.selection import Selection
from autotransfer.selection.served_model import Requests

PLUGIN = Path(__file__).resolve().parents[2] / "docs" / "examples" / "time_series.py"
SHAPES: dict[str, Callable[[Any], Any]] = {
    "sine": np.sin,
    "square": lambda t: np.sign(np.sin(t)),
    "saw": lambda t: t % 6.28 - 3.14,
}


def series(per_class: int, seed: int = 0) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Return waves of three shapes, of varying pitch and phase, in noise."""
    rng, found, labels = np.random.default_rng(seed), [], []
    for name, shape in SHAPES.items():
        for _ in range(per_class):
            t = np.linspace(0, rng.uniform(30, 60), 128) + rng.uniform(0, 6)
            found.append((shape(t) + rng.normal(0, 0.6, 128)).astype(np.float32))
            labels.append(name)
    return found, labels


@pytest.fixture(scope="module", autouse=True)
def _kinds_of_this_module() -> Iterator[None]:
    """Forget the added kind afterwards: it would be known for the whole process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_kinds, "_OFFERED", {})
        patch.setattr(Modality, "known", dict(Modality.known))
        yield


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    place = tmp_path_factory.mktemp("series")
    for split, per_class in (("train", 12), ("test", 15)):
        for i, (wave, label) in enumerate(zip(*series(per_class, per_class), strict=True)):
            file = place / "waves" / split / label / f"{i}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, wave)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            "waves",
            plugins=[PLUGIN],
            sources="plugins",
            budget="1 trials",
            tracking_uri="off",
            out=place / "model",
        )


def test_series_have_a_verdict_against_numbers_about_them(fitted: Selection) -> None:
    record = fitted.record
    assert record.modality == "series"
    assert record.finalist.source == "filter-bank"
    baselines = {baseline.name for baseline in record.verdict.baselines}
    assert {"majority", "item-numbers", "untrained-features"} <= baselines
    assert record.verdict.test is not None
    assert (record.verdict.test.n, record.verdict.test.value > 0.6) == (45, True)
    unfit = {skip.strategy: skip.reason for skip in record.skipped}
    assert unfit["fine-tune"] == "does not work on series"
    page = (Path(record.model) / "report.html").read_text("utf-8")
    assert "Most wrong series" in page
    assert not [text for text in record.warnings if "the report" in text]
    if record.verdict.test.value < 1:
        assert "▃" in page  # the line of bars that stands for a series


def test_what_is_saved_answers_files_arrays_and_requests_alike(
    fitted: Selection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waves, labels = series(4, seed=9)
    said = fitted.predict_proba(waves)
    assert (fitted.predict(waves) == labels).mean() > 0.6
    new, folder = tmp_path / "new", fitted.record.model
    new.mkdir()
    for i, wave in enumerate(waves):
        np.savetxt(new / f"{i:02d}.series", wave[None], fmt="%.9g")
    assert run(["predict", folder, str(new), "--plugin", str(PLUGIN), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["item"] for row in rows] == [f"{i:02d}.series" for i in range(12)]
    found = [list(row["probabilities"].values()) for row in rows]
    assert np.allclose(found, said, atol=1e-4)
    content = [base64.b64encode((new / "03.series").read_bytes()).decode()]
    asked = Requests().items(pd.DataFrame({"series": content}), Modality("series"))
    assert np.allclose(fitted.predict_proba(asked), said[[3]], atol=1e-4)


def test_tables_and_other_processes_read_series_and_bad_ones_are_named(tmp_path: Path) -> None:
    discover(files=[PLUGIN])
    waves, labels = series(3)
    for i, wave in enumerate(waves):
        np.save(tmp_path / f"{i}.npy", wave)
    table = pd.DataFrame({"series": [f"{i}.npy" for i in range(9)], "label": labels})
    table.to_csv(tmp_path / "t.csv", index=False)
    opened = open_target(tmp_path / "t.csv")
    assert opened.train.modality is Modality("series")
    sent = packed(opened.train, tmp_path)
    assert np.array_equal(sent.read(0), waves[0])
    np.save(tmp_path / "0.npy", np.zeros(7))
    np.save(tmp_path / "1.npy", np.ones(128))
    np.save(tmp_path / "2.npy", np.zeros(128, dtype=[("a", "f4"), ("b", "f4")]))
    with pytest.raises(CorruptImagesError) as told:
        open_target(tmp_path / "t.csv")
    lines = str(told.value).splitlines()
    assert "cannot be read (TypeError" in lines[-1]
    assert lines == [
        "3 series cannot be used; repair or remove them, or leave them out with "
        "--on-bad-image skip (on_bad_image='skip'):",
        "  0.npy: has the shape (7,); a series has 128 numbers",
        "  1.npy: is constant",
        "  2.npy: " + lines[-1].partition(": ")[2],
    ]
    with pytest.raises(CorruptImagesError, match=r"has the shape \(3,\); a series has 128"):
        open_target(([np.zeros(3)], ["x"]), modality=Modality("series"))


def test_what_does_not_fit_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for i, (wave, label) in enumerate(zip(*series(3), strict=True)):
        (tmp_path / "w" / label).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "w" / label / f"{i}.npy", wave)
    fit = ["fit", "w", "--trials", "1", "--tracking-uri", "off", "--plugin", str(PLUGIN)]
    for more, message in (
        ([], "there is no default set of sources for series"),
        (["--sources", "small_cnn"], "small_cnn: it reads images, and the items are series"),
        (["--modality", "smell"], "modality must be one of image, text, sound, series, got"),
        (["--modality", "text"], "there are no texts in it; 9 file(s) that are not texts"),
    ):
        assert run([*fit, *more]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(InvalidOptionError, match="name that file with --plugin"):
        Modality("smell")


def test_the_example_has_at_most_150_lines() -> None:
    assert len(PLUGIN.read_text("utf-8").splitlines()) <= 150
