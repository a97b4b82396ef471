"""Sounds without labels, learnt from labelled ones, from start to verdict, with tiny sources."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.results import State
from tests.end_to_end.conftest import Refused
from tests.tiny_sounds import sounds, write_encoder, write_network, write_sounds

SPACE = "\n".join(
    ['description = "Few steps"']
    + [
        f"[{name}]\neffort = {{low = 0.02, high = 0.1, default = 0.02}}"
        for name in ("source-only", "mcc", "dann", "cdan", "deep-coral", "shot")
    ]
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled sounds, others in one folder without labels, a plugin and an encoder."""
    folder = tmp_path_factory.mktemp("sounds")
    write_sounds(folder / "known", 12)
    write_sounds(folder / "labelled", 12, seed=1)
    (folder / "new").mkdir()
    for path in sorted((folder / "labelled").glob("*/*.wav")):
        (folder / "new" / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes())
    write_network(folder)
    write_encoder(folder / "wavlm", "wavlm")
    (folder / "short.toml").write_text(SPACE)
    return folder


def _given(folder: Path) -> dict[str, Any]:
    return {
        "source_data": folder / "known" / "sounds.csv",
        "sources": [folder / "ears.toml", str(folder / "wavlm")],
        "plugins": [*folder.glob("ears_*.py")],
        "space": str(folder / "short.toml"),
        "tracking_uri": "off",
    }


@pytest.fixture(scope="module")
def asked(written: Path, tmp_path_factory: pytest.TempPathFactory) -> autotransfer.Selection:
    """A fit that asks for labels."""
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "new",
            budget="14 trials",
            audit_labels=6,
            out=place / "model",
            workspace=place,
            **_given(written),
        )


def test_sounds_without_labels_are_learnt_from_labelled_ones(
    asked: autotransfer.Selection,
) -> None:
    record = asked.record
    assert (record.modality, record.scenario) == ("sound", "unlabelled")
    assert all(o.state is State.COMPLETE for o in record.outcomes), record.outcomes
    tried = {outcome.strategy for outcome in record.outcomes}
    assert tried >= {"source-probe", "source-only", "feature-coral", "feature-transport"}
    assert tried >= {"mcc", "dann", "cdan", "deep-coral", "shot"}
    assert all("mixval" in o.validators for o in record.outcomes)
    assert "log-mel-network" in {row.source for row in record.ranking.rows}  # no source at all
    given, labels = sounds(6, 5)
    assert (asked.predict(given) == np.array(labels)).mean() > 0.6


def test_what_makes_no_sense_for_sounds_is_skipped_with_a_reason(
    asked: autotransfer.Selection,
) -> None:
    reasons = {skip.strategy: skip.reason for skip in asked.record.skipped}
    assert reasons["adabn"] == "does not work on sounds"


def test_the_sentences_of_the_fit_and_its_report_are_about_sounds(
    asked: autotransfer.Selection,
) -> None:
    page = (Path(asked.record.model) / "report.html").read_text("utf-8")
    assert '<audio controls preload="none" src="data:audio/flac;base64,' in page  # to label next
    assert "IMAGES" not in page
    told = re.sub(r"<(style|script).*?</\1>|<[^>]*>", "", page, flags=re.DOTALL)
    assert "source sounds and target sounds" in told
    assert not re.findall(r"\bimages? (?!MB)", told.replace("images MB", ""))
    assert not [text for text in asked.record.warnings if "the report" in text]
    assert "image" not in asked.verdict.sentence


def test_audit_labels_are_asked_for_by_the_path_of_the_sound_and_make_a_verdict(
    asked: autotransfer.Selection, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(asked.record.model)
    table = folder / "audit.csv"
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert list(rows[0]) == ["item", "label"]
    for row in rows:
        assert (written / "new" / row["item"]).is_file()
        row["label"] = row["item"].split("_")[0]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.chdir(folder.parent)
    again = autotransfer.fit(
        written / "new",
        budget="14 trials",
        audit_labels=str(table),
        resume=True,
        out=folder,
        workspace=folder.parent,
        **_given(written),
    )
    assert again.verdict.basis == "audit labels"
    assert "labelled sounds" in again.verdict.sentence


def test_predict_names_files_and_what_was_saved_answers_the_same(
    asked: autotransfer.Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = next(written.glob("ears_*.py"))
    capsys.readouterr()
    arguments = ["predict", asked.record.model, str(written / "new"), "--plugin", str(plugin)]
    assert run([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert rows[0]["item"].endswith(".wav")
    said = asked.predict(written / "new")
    assert [row["class"] for row in rows] == list(said)


@pytest.mark.kit
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_digits_of_two_speakers_are_learnt_from_a_third_one(
    kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(kit / "data" / "spoken_digits.zip") as archive:
        for name in archive.namelist():
            digit, speaker = Path(name).parent.name, Path(name).stem.split("_")[0]
            to = {"george": f"known/{digit}", "jackson": "new", "lucas": "new"}.get(speaker)
            if name.endswith(".wav") and to is not None:
                file = tmp_path / to / f"{digit}_{Path(name).name}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
    examples = Path(__file__).parents[2] / "docs" / "examples"
    for path in (examples / "sound_networks.toml", *(kit / "weights").glob("[rc]*.safetensors")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    selection = autotransfer.fit(
        "new",
        source_data="known",
        plugins=[examples / "sound_networks.py"],
        sources="sound_networks.toml",
        source=["speaker"],
        strategies=["source-probe", "feature-coral", "feature-transport"],
        budget="3 trials",
        tracking_uri="off",
        report=False,
    )
    files = sorted(Path("new").iterdir())
    digits = np.array([path.name.split("_")[0] for path in files])
    right = (selection.predict([str(path) for path in files]) == digits).mean()
    assert right > 0.5  # the probe of the third speaker alone is right for 32 %


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source-data", "{folder}/new"], "source sounds need labels"),
        (["--source-data", "{folder}/empty"], "there are no sounds in it"),
        (["--source-data", "{folder}/known", "--modality", "text"], "text"),
        (["--source-data", "{folder}/known", "--strategy", "adabn"], "does not work on sounds"),
        (["--source-data", "{folder}/known", "--group-column", "a"], "group_column is for a"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
) -> None:
    (written / "empty").mkdir(exist_ok=True)
    (written / "empty" / "read.me").write_text("nothing")
    given = [argument.format(folder=written) for argument in arguments]
    sources = ["--sources", str(written / "wavlm")]
    assert message in refused(str(written / "new"), *sources, *given)
