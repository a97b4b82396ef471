"""Classes without sounds, told apart by a sentence each, from start to verdict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import autotransfer
from autotransfer.cli import run
from tests.end_to_end.conftest import Refused
from tests.tiny_sounds import RATE, encoded, tone, write_network
from tests.tiny_texts import write_table

HERTZ = {"drum": 300.0, "beat": 600.0, "note": 1200.0, "flute": 2400.0}
NOISE = {"cash": 0.002, "coin": 0.2}  # what is heard beside the tone
CLASSES = [f"{high}_{loud}" for high in HERTZ for loud in NOISE]
UNSEEN = ("drum_coin", "flute_cash")


def _sound(name: str, seed: int) -> NDArray[np.float32]:
    high, loud = name.split("_")
    wave = tone(HERTZ[high], seed=seed)
    noise = np.random.default_rng(seed).normal(size=len(wave))
    return (wave + NOISE[loud] * noise).astype(np.float32)


def _write(folder: Path, names: list[str], per_class: int, seed: int) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            content = encoded(_sound(name, 100 * seed + i))
            (folder / name / f"{i}.wav").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds of six classes, sentences about eight, a network of sounds and a source of texts."""
    folder = tmp_path_factory.mktemp("described")
    _write(folder / "known", [name for name in CLASSES if name not in UNSEEN], 8, 0)
    write_network(folder)
    write_table(folder / "table")
    with (folder / "classes.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["class", "description"])
        rows.writerows((name, "the {} that has a {}".format(*name.split("_"))) for name in CLASSES)
    return folder


@pytest.fixture(scope="module")
def fitted(written: Path, tmp_path_factory: pytest.TempPathFactory) -> autotransfer.Selection:
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "known",
            descriptions=written / "classes.csv",
            sources=[str(written / "table"), written / "ears.toml"],
            plugins=[*written.glob("ears_*.py")],
            budget="4 trials",
            tracking_uri="off",
            out=place / "model",
        )


def test_classes_without_sounds_are_named_by_their_descriptions(
    fitted: autotransfer.Selection,
) -> None:
    record = fitted.record
    assert (record.modality, record.scenario) == ("sound", "zero-shot")
    assert record.zero_shot is not None
    assert record.zero_shot.describer == "table"
    assert set(record.zero_shot.unseen) == set(UNSEEN)
    given = [(_sound(name, 900 + i), RATE) for name in UNSEEN for i in range(8)]
    labels = np.repeat(UNSEEN, 8)
    assert (fitted.predict(given) == labels).mean() > 0.7


def test_a_source_of_texts_reads_no_sounds_and_no_nearest_description_is_looked_for(
    fitted: autotransfer.Selection,
) -> None:
    reasons = {(skip.source, skip.strategy): skip.reason for skip in fitted.record.skipped}
    assert reasons["table", "*"] == "it reads texts, and the items are sounds"
    tried = {outcome.strategy for outcome in fitted.record.outcomes}
    assert "nearest-description" not in tried
    assert tried >= {"attribute-zero-shot"}


def test_the_report_and_the_command_speak_of_sounds(
    fitted: autotransfer.Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(fitted.record.model) / "report.html").read_text("utf-8")
    assert "Classes without sounds" in page
    assert not [text for text in fitted.record.warnings if "the report" in text]
    capsys.readouterr()
    plugin = ["--plugin", str(next(written.glob("ears_*.py")))]
    arguments = ["predict", fitted.record.model, str(written / "known"), *plugin, "--json"]
    assert run([*arguments, "--generalised"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert len(rows) == 48
    assert np.mean([row["item"].split("/")[0] == row["class"] for row in rows]) > 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sources", "{folder}/ears.toml"], "descriptions are read by a source of texts"),
        (["--sources", "{folder}/table"], "it reads texts, and the items are sounds"),
        (["--descriptions", "{folder}/few.csv"], "no row for"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
) -> None:
    (written / "few.csv").write_text("class,description\ndrum_cash,a drum\nflute_coin,a flute\n")
    given = [argument.format(folder=written) for argument in arguments]
    if "--descriptions" not in given:
        given += ["--descriptions", str(written / "classes.csv")]
    if "--sources" not in given:
        given += ["--sources", str(written / "table"), "--sources", str(written / "ears.toml")]
    given += ["--plugin", str(next(written.glob("ears_*.py")))]
    known = str(written / "known")
    assert message in refused(known, *given)
