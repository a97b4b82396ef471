"""A target of texts from start to verdict, with tiny sources in folders."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.results import State
from autotransfer.selection.selection import Selection
from tests.end_to_end.conftest import Refused
from tests.tiny_texts import sentences, write_encoder, write_table


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sources of texts, and a table of sentences with a test split."""
    folder = tmp_path_factory.mktemp("texts")
    write_table(folder / "table")
    write_encoder(folder / "encoder")
    with (folder / "topics.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "split"])
        for split, per_class, seed in (("train", 12, 0), ("test", 15, 1)):
            for text, label in zip(*sentences(per_class, seed), strict=True):
                rows.writerow([text, label, split])
    return folder


@pytest.fixture(scope="module")
def fitted(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Selection:
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "topics.csv",
            sources=[str(written / "table"), str(written / "encoder"), "small_cnn"],
            budget="2 trials",
            tracking_uri="off",
            out=place / "model",
        )


def test_a_target_of_texts_has_a_verdict_against_counted_words(fitted: Selection) -> None:
    record = fitted.record
    assert record.modality == "text"
    baselines = {baseline.name for baseline in record.verdict.baselines}
    assert {"majority", "tf-idf", "untrained-features"} <= baselines
    assert record.verdict.test is not None
    assert record.verdict.test.n == 45
    assert record.verdict.test.value > 0.8
    reasons = {skip.source: skip.reason for skip in record.skipped if skip.source == "small_cnn"}
    assert reasons == {"small_cnn": "it reads images, and the items are texts"}
    unfit = {skip.strategy: skip.reason for skip in record.skipped}
    assert unfit["multi-task"] == "does not work on texts"
    assert {o.state for o in record.outcomes if o.strategy == "fine-tune"} == {State.COMPLETE}


def test_what_is_saved_answers_the_same_without_the_folders_of_its_sources(
    fitted: Selection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path))  # nothing is known of the texts
    texts, labels = sentences(6, 3)
    said = fitted.predict_proba(texts)
    again = autotransfer.load(fitted.record.model)
    assert np.allclose(again.predict_proba(texts), said, atol=1e-6)
    assert (again.predict(texts) == np.array(labels)).mean() > 0.8
    stored = json.loads((Path(fitted.record.model) / "selection.json").read_text("utf-8"))
    assert stored["modality"] == "text"
    source = json.loads((Path(fitted.record.model) / "source.json").read_text("utf-8"))
    assert source["preprocessing"]["tokenizer"]["path"] == "source.tokenizer.json"


def test_the_command_predicts_a_table_row_by_row(
    fitted: Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", fitted.record.model, str(written / "topics.csv"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert len(rows) == 36 + 45
    assert rows[0]["item"] == "row 1"
    assert "image" not in rows[0]
    assert run(["predict", fitted.record.model, str(written / "table"), "--json"]) == 2
    assert "there are no texts in it" in capsys.readouterr().err


def test_the_report_shows_wrong_texts_in_full_and_nothing_failed(fitted: Selection) -> None:
    page = (Path(fitted.record.model) / "report.html").read_text("utf-8")
    assert "Most wrong texts" in page
    assert not [text for text in fitted.record.warnings if "the report" in text]
    wrong = fitted.record.verdict.test
    assert wrong is not None
    if wrong.value < 1:
        assert "<blockquote>" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--modality", "smell"], "modality must be one of image, text, sound, got 'smell'"),
        (["--modality", "image"], "no column 'image'"),
        (["--scenario", "unlabelled", "--source-data", "{table}"], "every source text is in the"),
        (["--sources", "small_cnn"], "small_cnn: it reads images, and the items are texts"),
    ],
)
def test_what_cannot_be_used_for_texts_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
) -> None:
    table = str(written / "topics.csv")
    given = [argument.format(table=table) for argument in arguments]
    assert message in refused(table, *given)


@pytest.mark.filterwarnings("ignore::autotransfer.errors.NegativeTransferWarning")  # few steps
def test_what_learns_from_texts_without_labels_as_well_is_tried_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.toml").write_text(
        "[fix-match]\nepochs = {low = 1, high = 4, default = 2}\n"
        "[mme]\neffort = {low = 0.02, high = 0.1, default = 0.05}\n"
    )
    selection = autotransfer.fit(
        sentences(10),
        unlabelled=sentences(12, 1)[0],
        source_data=sentences(12, 2),
        sources=[str(write_encoder(tmp_path / "encoder"))],
        strategies=["fix-match", "mme"],
        space=str(tmp_path / "short.toml"),
        budget="2 trials",
        tracking_uri="off",
        report=False,
    )
    tried = {o.strategy: o.state for o in selection.record.outcomes if not o.probe}
    assert tried["fix-match"] is tried["mme"] is State.COMPLETE
