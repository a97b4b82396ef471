"""A target of sounds from start to verdict, with a network of a plugin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.selection.selection import Selection
from tests.end_to_end.conftest import Refused
from tests.tiny_sounds import sounds, write_encoder, write_network, write_sounds


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sounds with a manifest, a plugin and its catalogue."""
    folder = write_sounds(tmp_path_factory.mktemp("sounds"), 8)
    write_network(folder)
    write_encoder(folder / "wavlm", "wavlm")
    return folder


@pytest.fixture(scope="module")
def fitted(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Selection:
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "sounds.csv",
            group_column="speaker",
            sources=[written / "ears.toml", str(written / "wavlm"), "small_cnn"],
            plugins=[*written.glob("ears_*.py")],
            budget="1 trials",
            tracking_uri="off",
            out=place / "model",
        )


def test_a_target_of_sounds_has_a_verdict_against_statistics_of_spectra(fitted: Selection) -> None:
    record = fitted.record
    assert record.modality == "sound"
    baselines = {baseline.name for baseline in record.verdict.baselines}
    assert {"majority", "spectral-statistics", "untrained-features"} <= baselines
    reasons = {skip.source: skip.reason for skip in record.skipped if skip.source == "small_cnn"}
    assert reasons == {"small_cnn": "it reads images, and the items are sounds"}
    tried = {(outcome.source, outcome.strategy) for outcome in record.outcomes}
    assert ("wavlm", "feature-extraction") in tried  # an encoder beside a network of a plugin
    unfit = {skip.strategy: skip.reason for skip in record.skipped}
    assert unfit["fine-tune"] == "is tried on sounds by name (--strategy fine-tune)"
    assert not [text for text in record.warnings if "speakers or recordings" in text]


def test_what_is_saved_answers_the_same(
    fitted: Selection, written: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path))  # nothing is known of the sounds
    given, labels = sounds(4, 3)
    said = fitted.predict_proba(given)
    again = autotransfer.load(fitted.record.model, plugins=[*written.glob("ears_*.py")])
    assert np.allclose(again.predict_proba(given), said, atol=1e-6)
    assert (again.predict(given) == np.array(labels)).mean() > 0.6


def test_the_command_predicts_files_in_a_folder(
    fitted: Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = ["--plugin", str(next(written.glob("ears_*.py")))]
    assert run(["predict", fitted.record.model, str(written), *plugin, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert len(rows) == 24
    assert rows[0]["item"].startswith("high/")
    assert "image" not in rows[0]


def test_the_report_plays_wrong_sounds_and_nothing_failed(fitted: Selection) -> None:
    page = (Path(fitted.record.model) / "report.html").read_text("utf-8")
    assert "Most wrong sounds" in page
    assert not [text for text in fitted.record.warnings if "the report" in text]
    if "were answered wrong; the surest come first" in page:
        assert '<audio controls preload="none" src="data:audio/flac;base64,' in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "'openai/whisper-tiny': its pretrained weights could not be fetched"),
        (["--sources", "tiny"], "'openai/whisper-tiny': its pretrained weights could not be"),
        (["--sources", "small_cnn"], "small_cnn: it reads images, and the items are sounds"),
        (["--sources", "{folder}/ears.toml", "--modality", "text"], "no column 'text'"),
    ],
)
def test_what_cannot_be_used_for_sounds_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    given = [argument.format(folder=written) for argument in arguments]
    target = str(written / "sounds.csv")
    assert message in refused(target, *given)
