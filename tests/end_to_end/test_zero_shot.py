"""Classes without images, from the table to the prediction."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InvalidOptionError, InvalidTargetError

SIDE = 32
SEEN, UNSEEN = 10, ("between 0 and 1", "between 4 and 5")


def _bars(angle: float, rng: np.random.Generator) -> Image.Image:
    grid = np.indices((SIDE, SIDE)) / SIDE
    wave = np.cos(angle) * grid[0] + np.sin(angle) * grid[1]
    bars = 0.5 + 0.3 * np.sin(2 * np.pi * (4 * wave + rng.random()))[..., None]
    noisy = np.clip(bars + rng.normal(0, 0.05, (SIDE, SIDE, 3)), 0, 1)
    return Image.fromarray(np.round(255 * noisy).astype(np.uint8))


def _angle(name: str) -> float:
    first = int(name.split()[-3]) if name.startswith("between") else int(name.split()[-1])
    return math.pi * (first + 0.5 * name.startswith("between")) / SEEN


@pytest.fixture
def target(tmp_path: Path) -> tuple[Path, Path]:
    """Images of bars in ten directions; two further directions are only described."""
    rng = np.random.default_rng(0)
    names = [f"direction {k}" for k in range(SEEN)]
    for split, classes, count in (("train", names, 8), ("test", [*names, *UNSEEN], 4)):
        for name in classes:
            folder = tmp_path / "bars" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                _bars(_angle(name), rng).save(folder / f"{i}.png")
    lines = ["class," + ",".join(f"overtone {i}" for i in range(4))]
    for name in (*names, *UNSEEN):
        angle = _angle(name)
        values = [
            math.cos(2 * angle),
            math.sin(2 * angle),
            math.cos(4 * angle),
            math.sin(4 * angle),
        ]
        lines.append(name + "," + ",".join(f"{value:.4f}" for value in values))
    table = tmp_path / "classes.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "bars", table


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert run([*map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_a_table_is_enough_for_classes_without_pictures(
    target: tuple[Path, Path], catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = target
    options = ["--attributes", table, "--sources", catalogue, "--source", "tiny-0"]
    found = _json(capsys, "fit", pictures / "train", *options, "--trials", 1, "--out", "model")
    assert found["basis"] == "held-out classes"
    assert found["strategy"] == "attribute-zero-shot"
    assert found["metric"] == "balanced_accuracy"
    assert found["test"]["n"] == SEEN
    assert [b["name"] for b in found["baselines"]] == ["chance", "exchanged-rows"]
    best = max(b["test"] for b in found["baselines"])
    assert found["gap"]["value"] == pytest.approx(found["test"]["value"] - best)
    zero_shot = found["zero_shot"]
    assert zero_shot["unseen"] == list(UNSEEN)
    assert zero_shot["pairs"] == SEEN * (SEEN - 1) // 2
    assert "held-out-classes" in found["ranking"][0]["estimators"]
    assert {s["strategy"] for s in found["skipped"] if "scenario zero-shot" in s["reason"]}

    rows = _json(capsys, "predict", "model", pictures / "test", "--explain")["predictions"]
    assert len(rows) == 4 * (SEEN + 2)
    assert set(rows[0]["probabilities"]) == set(UNSEEN)
    every = _json(capsys, "predict", "model", pictures / "test", "--generalised")["predictions"]
    assert len(every[0]["probabilities"]) == SEEN + 2
    for row in [*rows, *every]:
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
    if found["returned"] == "transfer":
        assert set(rows[0]["attributes"]) == {f"overtone {i}" for i in range(4)}
        assert 0 < rows[0]["because"][0]["share"] <= 1
    loaded = autotransfer.load("model")
    assert loaded.class_names == UNSEEN
    assert loaded.record.zero_shot is not None
    assert run(["show", "model"]) == 0
    assert "held-out classes" in capsys.readouterr().out
    assert run(["predict", "model", str(pictures / "test"), "--explain"]) == 0
    assert "because" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_the_mean_of_two_sources_names_both_and_says_why_after_loading(
    target: tuple[Path, Path], catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = target
    sources = ["--sources", catalogue, "--source", "tiny-0", "--source", "tiny-1"]
    options = ["--attributes", table, *sources, "--strategy", "mean-of-eszsl"]
    found = _json(capsys, "fit", pictures / "train", *options, "--out", "model")
    assert found["strategy"] == "mean-of-eszsl"
    assert found["zero_shot"]["pairs"] == SEEN * (SEEN - 1) // 2
    if found["returned"] != "transfer":
        pytest.skip("random networks gave nothing to return")
    shares = {(m["source"], m["strategy"], m["weight"]) for m in found["members"]}
    assert shares == {("tiny-0", "eszsl", 0.5), ("tiny-1", "eszsl", 0.5)}
    for generalised in ([], ["--generalised"]):
        command = ["predict", "model", pictures / "test", "--explain", *generalised]
        rows = _json(capsys, *command)["predictions"]
        assert len(rows[0]["probabilities"]) == len(UNSEEN) + SEEN * bool(generalised)
        assert sum(rows[0]["probabilities"].values()) == pytest.approx(1.0)
        assert 0 < rows[0]["because"][0]["share"] <= 1


@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_pictures_of_unseen_classes_in_a_test_split_are_sealed_and_tested(
    target: tuple[Path, Path], catalogue: Path
) -> None:
    pictures, table = target
    selection = autotransfer.fit(
        pictures,
        attributes=table,
        sources=str(catalogue),
        source=["tiny-0"],
        budget=autotransfer.Budget(trials=1),
    )
    assert selection.verdict.basis == "held-out items"
    described = selection.record.zero_shot
    assert described is not None
    held_out, sealed = described.figures
    assert (held_out.basis, sealed.basis) == ("held-out classes", "held-out items")
    assert selection.verdict.baselines[0].test == pytest.approx(0.5)  # of two unseen classes
    assert selection.verdict.test is not None
    assert sealed.alone == pytest.approx(selection.verdict.test.value)
    assert sealed.harmonic is not None
    assert len(sealed.curve) > 2


@pytest.mark.nightly  # test_executors_of_scenarios.py has the same without labels
@pytest.mark.timeout(600)
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_workers_find_what_the_driver_finds(
    target: tuple[Path, Path], catalogue: Path, executor: str
) -> None:
    if executor == "ray":
        pytest.importorskip("ray", reason="Ray is not installed (autotransfer[ray])")
    pictures, table = target
    options: dict[str, Any] = {
        "attributes": table,
        "sources": catalogue,
        "source": ["tiny-0"],
        "budget": "3 trials",
        "report": False,
    }
    alone = autotransfer.fit(pictures / "train", **options, name="inline")
    beside = autotransfer.fit(
        pictures / "train", **options, name="beside", executor=executor, workers=1
    )
    found = [[(o.params, o.state, o.value) for o in s.outcomes] for s in (alone, beside)]
    assert found[0] == found[1]
    assert any(not outcome.probe for outcome in beside.outcomes)


def test_rank_knows_the_setting(target: tuple[Path, Path], catalogue: Path) -> None:
    pictures, table = target
    ranking, _ = autotransfer.rank(
        pictures / "train", attributes=table, sources=str(catalogue), source=["tiny-1"]
    )
    assert "held-out-classes" in ranking.rows[0].estimators


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "zero-shot"}, "--attributes CSV"),
        ({"scenario": "described"}, "described is now zero-shot"),
        ({"scenario": "labelled", "attributes": {}}, "scenario zero-shot, not labelled"),
        ({"metric": "log_loss", "attributes": {}}, "per-class top-1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any], message: str, target: tuple[Path, Path]
) -> None:
    with pytest.raises(InvalidOptionError, match=message):
        autotransfer.fit(target[0] / "train", **options)


def test_sealed_pictures_of_a_class_without_a_row_are_refused(
    target: tuple[Path, Path], tmp_path: Path
) -> None:
    pictures, table = target
    lines = [line for line in table.read_text().splitlines() if "between 4" not in line]
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidTargetError, match="no row for between 4 and 5"):
        autotransfer.fit(pictures, attributes=shorter)


def test_bad_tables_end_with_one_line(
    target: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", str(target[0] / "train"), "--attributes", "none.csv"]) == 2
    error = capsys.readouterr().err
    assert "none.csv" in error
    assert "Traceback" not in error


# Of its closed form the test of every pair of classes costs no fit; other heads are fitted again
# for each pair, which takes many minutes.
CLOSED_FORM = """
strategies = ["attribute-zero-shot"]
[attribute-zero-shot]
head = "eszsl"
normalisation = "standardise"
direction = "to features"
rows = "standardised"
"""


@pytest.mark.kit
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("space", "trials"),
    [
        pytest.param(CLOSED_FORM, 1, marks=pytest.mark.slow, id="closed form"),
        pytest.param(None, 12, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)], id="all"),
    ],
)
def test_animals_that_were_never_shown_are_found(
    kit: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    space: str | None,
    trials: int,
) -> None:
    options: list[object] = ["--source", "mobilenetv1-025-imagenet", "--trials", trials]
    if space is None:
        options += ["--source", "mobilenetv2-imagenet"]
    else:
        (tmp_path / "closed.toml").write_text(space)
        options += ["--space", tmp_path / "closed.toml"]
    archive = kit / "data" / "awa_cifar100.zip"
    plugin = ["--plugin", kit / "weights" / "timm_extra.py"]
    found = _json(
        capsys,
        *("fit", f"zip://seen_train::{archive}"),
        *("--attributes", kit / "data" / "awa_cifar100_attributes.csv"),
        *("--sources", kit / "weights" / "catalogue.toml", *plugin),
        *options,
        *("--out", "animals"),
    )
    assert found["verdict"] == "positive"
    assert found["basis"] == "held-out classes"
    assert found["zero_shot"]["pairs"] == 105
    assert "otter" in found["zero_shot"]["known_to_source"]
    rows = _json(capsys, "predict", "animals", f"zip://unseen_test::{archive}", *plugin)
    hits: dict[str, list[bool]] = {}
    for row in rows["predictions"]:
        name = row["image"].split("/")[0]
        hits.setdefault(name, []).append(row["class"] == name)
    assert len(hits) == 5
    assert np.mean([np.mean(found) for found in hits.values()]) >= 0.45
