"""Names, files and plugins that mean harm: handled or refused, named, and never run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.errors import PluginError
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import shapes

pytestmark = pytest.mark.timeout(600)

CLASSES = ("<img src=x onerror=alert(1)>", "a,\"b\";'c'", "=1+1 | 'x'")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Class folders with markup, quotes and formulas; one file name is not UTF-8."""
    images = shapes(3, 14, seed=3)
    root = tmp_path / "hostile"
    for i in range(len(images)):
        folder = root / CLASSES[images.labels[i]]
        folder.mkdir(parents=True, exist_ok=True)
        images[i].save(folder / f"{i:03d}.png")
    first = next((root / CLASSES[0]).iterdir())
    os.rename(os.fsencode(first), os.fsencode(first.parent) + b"/\xff\xfe bad.png")  # noqa: PTH104
    (root / "loop").symlink_to(root)
    return root


@pytest.mark.slow
def test_hostile_names_come_through_a_fit_unchanged_and_unrun(
    hostile: Path, catalogue: Path, tmp_path: Path
) -> None:
    selection = autotransfer.fit(
        hostile, sources=str(catalogue), budget="1 trials", name="hostile-fit"
    )
    assert set(selection.class_names) == set(CLASSES)
    stored = json.loads((tmp_path / "hostile-fit" / "selection.json").read_text(encoding="utf-8"))
    assert set(stored["class_names"]) == set(CLASSES)
    again = autotransfer.load(tmp_path / "hostile-fit")
    assert set(again.predict(shapes(3, 2, seed=5))) <= set(CLASSES)
    written = {"hostile-fit", "autotransfer.db", "mlflow.db", "mlartifacts"}
    inside = {path.name for path in tmp_path.iterdir()}
    assert inside <= {"hostile", "sources", "cache"} | written


@pytest.mark.filterwarnings("ignore::UserWarning")  # most classes have two items
@pytest.mark.parametrize(
    "num_classes",
    [pytest.param(500, marks=pytest.mark.slow), pytest.param(5000, marks=pytest.mark.nightly)],
)
def test_many_classes_end_with_an_answer(num_classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), 3)
    centres = rng.normal(size=(num_classes, 24))
    features = {
        name: centres[labels] + scale * rng.normal(size=(len(labels), 24))
        for name, scale in (("one", 0.3), ("two", 0.6))
    }
    selection = autotransfer.fit_features(
        features, labels, budget=autotransfer.Budget(trials=1, seconds=240), name="many"
    )
    assert len(selection.class_names) == num_classes
    assert selection.verdict.test is not None
    assert selection.verdict.test.value > 0.1


@pytest.mark.parametrize("line", ["import sys; sys.exit(3)", "raise SystemExit", "1 / 0"])
def test_a_plugin_that_ends_the_interpreter_is_refused_by_name(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"leaving_{abs(hash(line))}.py"
    path.write_text(line, encoding="utf-8")
    monkeypatch.setenv("AUTOTRANSFER_PLUGINS", str(path))
    with pytest.raises(
        PluginError, match=path.stem
    ):  # the user has named it: refused, not left out
        discover()
