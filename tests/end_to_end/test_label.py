"""From suggestions over a page that is labelled by keyboard back into a fit."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.labelling.suggestion import Suggestion
from autotransfer.models.features import Features
from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.budget import Budget
from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import brief_baselines

pytestmark = pytest.mark.usefixtures("brief_report")

ONE: dict[str, Any] = {
    "strategies": ["feature-extraction"],
    "budget": Budget(trials=1),
    "tracking_uri": "off",
}


@pytest.fixture
def pool(tmp_path: Path) -> dict[str, str]:
    """A flat folder of 75 images without labels; returns their classes by name."""
    images = shapes(3, 25, seed=5)
    (tmp_path / "pool").mkdir()
    order = np.random.default_rng(0).permutation(len(images))
    found = {}
    for number, i in enumerate(order.tolist()):
        name = f"{number:03d}.png"
        images[i].save(tmp_path / "pool" / name)
        found[name] = images.class_names[images.labels[i]]
    return found


@pytest.fixture(autouse=True)
def _brief_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    brief_baselines(monkeypatch)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """Count how often each source has embedded each image."""
    counted: Counter[tuple[str, str]] = Counter()
    embed = Features._pass

    def counting(self: Features, images: Any) -> Any:
        counted.update((self.source.name, digest) for digest in images.digests)
        return embed(self, images)

    monkeypatch.setattr(Features, "_pass", counting)
    return counted


def _fill(found: Suggestion, truth: dict[str, str], path: Path) -> None:
    rows = [(one.image, truth[one.image], one.drawn) for one in found.asked]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "label", "drawn"), *rows])


def _names(found: Suggestion, drawn: str) -> Sequence[str]:
    return [one.image for one in found.asked if one.drawn == drawn]


def test_labels_go_back_into_a_fit_that_tests_on_random_ones_and_embeds_no_image_twice(
    folder_target: Path,
    pool: dict[str, str],
    catalogue: Path,
    tmp_path: Path,
    embedded: Counter[tuple[str, str]],
) -> None:
    given: dict[str, Any] = {"sources": str(catalogue), "source": ["tiny-0"]}
    first = autotransfer.fit(str(folder_target), name="bars-fit", guard=False, **given, **ONE)
    assert first.record.forecast is not None
    assert first.record.forecast.labels == 42
    found = autotransfer.suggest_labels(str(folder_target), "pool", count=24, **given)
    assert len(_names(found, "random")) == 8
    assert len(_names(found, "chosen")) == 16
    _fill(found, pool, tmp_path / "labels-1.csv")
    rest: dict[str, Any] = {"unlabelled": "pool", "labels": ["labels-1.csv"]}
    second = autotransfer.fit(
        str(folder_target), name="bars-fit", resume=True, **rest, **given, **ONE
    )
    assert second.record.name == "bars-fit-66-labels"
    assert second.verdict.test is not None
    assert second.verdict.test.n == 42 + 8  # none of the 16 that were chosen
    assert any("16 chosen for what they teach only train" in w for w in second.record.warnings)
    assert set(embedded.values()) == {1}
    assert sum(source == "tiny-0" for source, _ in embedded) == 42 + 75  # the whole pool chose

    next_round = autotransfer.suggest_labels(str(folder_target), count=6, **rest, **given)
    assert not {one.image for one in next_round.asked} & {one.image for one in found.asked}
    assert next_round.last_round is not None
    assert next_round.last_round.labels == 24
    assert set(embedded.values()) == {1}


def test_without_any_label_images_are_suggested_and_then_fitted(
    pool: dict[str, str], catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--sources", str(catalogue), "--source", "tiny-0", "--source", "tiny-1"]
    assert run(["fit", "pool", *given]) == 2
    assert "autotransfer label pool --count" in capsys.readouterr().err
    assert run(["label", "pool", "--count", "30", "--out", "asked", "--json", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["forecast"] is None
    assert told["class_names"] == []
    assert all(one["cluster"] for one in told["asked"])
    rows = [(one["image"], pool[one["image"]], one["drawn"]) for one in told["asked"]]
    with (tmp_path / "asked.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "drawn"), *rows])
    selection = autotransfer.fit(
        "pool", labels=["asked.csv"], sources=str(catalogue), source=["tiny-0"], guard=False,
        **ONE,
    )  # fmt: skip
    assert selection.record.class_names == tuple(sorted(set(pool.values())))
    assert any("10 drawn at random may test" in text for text in selection.record.warnings)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("nobody.png", "direction 0", "random")], "'nobody.png' is none of the 75 images"),
        ([("000.png", "direction 0", "random"), ("000.png", "direction 1", "random")],
         "'000.png' is labelled 'direction 0', 'direction 1'"),
        ([("000.png", "Direction 0", "random")], "did you mean 'direction 0'"),
        ([("000.png", "", "random")], "1 of 1 images have no label though they were drawn at"),
        ([("000.png", "direction 0", "perhaps")], "drawn must be random or chosen, got 'perhaps'"),
    ],
)  # fmt: skip
def test_bad_tables_are_one_line_and_exit_code_2(
    rows: list[tuple[str, str, str]],
    said: str,
    folder_target: Path,
    pool: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(pool) == 75
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "drawn"), *rows])
    asked = ["fit", str(folder_target), "--unlabelled", "pool", "--labels", "labels.csv"]
    assert run(asked) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("autotransfer: ")
    assert said in error


@pytest.mark.nightly
def test_fifty_images_are_labelled_by_keyboard_and_the_fit_goes_on_without_embedding_one(
    folder_target: Path,
    pool: dict[str, str],
    catalogue: Path,
    tmp_path: Path,
    embedded: Counter[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--sources", str(catalogue), "--source", "tiny-0", "--json"]
    fit = [
        "fit", str(folder_target), "--name", "round", *given, "--trials", "1",
        "--strategy", "feature-extraction", "--tracking-uri", "off",
    ]  # fmt: skip
    before = _answered(fit, capsys)
    assert _by("tiny-0", embedded) == 42
    label = ["label", str(folder_target), "pool", "--count", "50", "--out", "asked", *given]
    asked = _answered(label, capsys)
    assert _by("tiny-0", embedded) == 42 + 75
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    rows = _labelled_by_keyboard(tmp_path / asked["sheet"], asked, pool, downloads)
    assert [row["image"] for row in rows] == [one["image"] for one in asked["asked"]]
    assert [row["label"] for row in rows] == [pool[one["image"]] for one in asked["asked"]]
    assert [row["drawn"] for row in rows] == [one["drawn"] for one in asked["asked"]]

    table = ["--unlabelled", "pool", "--labels", str(downloads / "asked.csv"), "--resume"]
    after = _answered([*fit, *table], capsys)
    assert _by("tiny-0", embedded) == 42 + 75
    assert set(embedded.values()) == {1}  # by each network, in three commands
    random = sum(one["drawn"] == "random" for one in asked["asked"])
    assert before["test"]["n"] == 42
    assert after["test"]["n"] == 42 + random
    assert (tmp_path / "round-92-labels").is_dir()  # the study of this round
    assert after["sentence"] != before["sentence"]
    assert 0 < after["seconds"]["total"] < 120


def _by(source: str, embedded: Counter[tuple[str, str]]) -> int:
    return sum(count for (name, _), count in embedded.items() if name == source)


def _answered(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the JSON that a command prints."""
    assert run(list(arguments)) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def _labelled_by_keyboard(
    sheet: Path, asked: dict[str, Any], truth: dict[str, str], downloads: Path
) -> list[dict[str, str]]:
    """Label every image of a page by key presses and return the table that it saves."""
    names, images = asked["class_names"], [one["image"] for one in asked["asked"]]
    with Browser(sheet, downloads) as page:
        for image in images[:-1]:
            assert page.value("document.getElementById('file').textContent") == image
            page.press(str(1 + names.index(truth[image])))
        page.press("+")  # the last one gets a class of its own, which is then taken back
        for letter in "dogs":
            page.press(letter)
        page.press("Enter")
        page.press(str(1 + len(names)))
        assert page.value("labels.at(-1)") == "dogs"
        page.press("Backspace")
        assert page.value("labels.at(-1)") == ""
        page.press(str(1 + names.index(truth[images[-1]])))
        assert "50 of 50 labelled" in page.value("document.getElementById('status').textContent")
        page.press("Enter")
        saved, due = downloads / "asked.csv", time.monotonic() + 20
        while not saved.exists() and time.monotonic() < due:
            time.sleep(0.05)
    with saved.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
