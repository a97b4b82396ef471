"""Texts without labels, learnt from labelled ones, from start to verdict, with tiny sources."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.results import State
from tests.end_to_end.conftest import Refused
from tests.tiny_texts import sentences, write_encoder, write_table

SPACE = """
description = "Few steps"
[source-only]
effort = {low = 0.02, high = 0.1, default = 0.05}
[mcc]
effort = {low = 0.02, high = 0.1, default = 0.02}
[dann]
effort = {low = 0.02, high = 0.1, default = 0.02}
[cdan]
effort = {low = 0.02, high = 0.1, default = 0.02}
[deep-coral]
effort = {low = 0.02, high = 0.1, default = 0.02}
[shot]
effort = {low = 0.02, high = 0.1, default = 0.02}
"""


def _write(path: Path, texts: Sequence[str], labels: Sequence[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text"] if labels is None else ["text", "label"])
        rows.writerows(zip(texts, *([] if labels is None else [labels]), strict=True))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources, labelled sentences of three topics, and others without labels."""
    folder = tmp_path_factory.mktemp("texts")
    write_table(folder / "table")
    write_encoder(folder / "encoder")
    (folder / "short.toml").write_text(SPACE)
    _write(folder / "known.csv", *sentences(30))
    _write(folder / "new.csv", sentences(40, 1)[0])
    return folder


@pytest.fixture(scope="module")
def asked(written: Path, tmp_path_factory: pytest.TempPathFactory) -> autotransfer.Selection:
    """A fit that asks for labels."""
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "new.csv",
            source_data=written / "known.csv",
            sources=[str(written / "table"), str(written / "encoder")],
            space=str(written / "short.toml"),
            budget="14 trials",
            tracking_uri="off",
            audit_labels=9,
            out=place / "model",
            workspace=place,
        )


def test_texts_without_labels_are_learnt_from_labelled_ones(
    asked: autotransfer.Selection,
) -> None:
    record = asked.record
    assert (record.modality, record.scenario) == ("text", "unlabelled")
    tried = {o.strategy for o in record.outcomes if o.state is State.COMPLETE}
    assert all(o.state is State.COMPLETE for o in record.outcomes), record.outcomes
    assert tried >= {"source-probe", "source-only", "feature-coral", "feature-transport"}
    assert tried >= {"mcc", "dann", "cdan", "deep-coral", "shot"}
    assert all("mixval" in o.validators for o in record.outcomes)
    assert "hashed-words" in {row.source for row in record.ranking.rows}  # no source at all
    texts, labels = sentences(20, 2)
    assert (asked.predict(texts) == np.array(labels)).mean() > 0.8


def test_what_makes_no_sense_for_texts_is_skipped_with_a_reason(
    asked: autotransfer.Selection,
) -> None:
    reasons = {skip.strategy: skip.reason for skip in asked.record.skipped}
    assert reasons["adabn"] == "does not work on texts"
    assert "fine-tune" not in reasons  # of another scenario, and nobody asked for it


def test_the_sentences_of_the_fit_and_its_report_are_about_texts(
    asked: autotransfer.Selection,
) -> None:
    assert "label a few texts to find out" in asked.verdict.sentence
    page = (Path(asked.record.model) / "report.html").read_text("utf-8")
    assert "held-out source texts" in page
    assert "source images" not in page
    assert not [text for text in asked.record.warnings if "the report" in text]


def test_audit_labels_are_asked_for_beside_the_text_and_make_a_verdict(
    asked: autotransfer.Selection, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(asked.record.model)
    table = folder / "audit.csv"
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert list(rows[0]) == ["item", "label", "text"]
    texts, labels = sentences(40, 1)
    topic = dict(zip(texts, labels, strict=True))
    for row in rows:
        assert row["text"] == texts[int(row["item"].removeprefix("row ")) - 1]
        row["label"] = topic[row["text"]]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.chdir(folder.parent)
    given = ["--sources", str(written / "table"), "--sources", str(written / "encoder")]
    given += ["--source-data", str(written / "known.csv"), "--space", str(written / "short.toml")]
    given += ["--budget", "14 trials", "--tracking-uri", "off", "--workspace", str(folder.parent)]
    audit = ["--audit-labels", str(table), "--resume", "--out", str(folder), "--json"]
    assert run(["fit", str(written / "new.csv"), *given, *audit]) == 0
    assert autotransfer.load(folder).verdict.basis == "audit labels"


def test_predict_names_rows_and_texts_of_no_topic_can_be_rejected(
    asked: autotransfer.Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["predict", asked.record.model, str(written / "new.csv"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert rows[0]["item"] == "row 1"
    assert len(rows) == 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source-data", "{folder}/other.csv"], "share no name; both must have the same"),
        (["--source-data", "{folder}/new.csv"], "source texts need labels"),
        (["--source-data", "{folder}/photos"], "there are no texts in it"),
        (["--source-data", "{folder}/known.csv", "--class", "food"], "--class food: the source"),
        (["--source-data", "{folder}/known.csv", "--modality", "sound"], "sound"),
        (["--source-data", "{folder}/known.csv", "--strategy", "adabn"], "does not work on texts"),
        (["--source-data", "{folder}/known.csv", "--group-column", "a"], "group_column is for a"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
) -> None:
    target = written / "new.csv"
    if "{folder}/other.csv" in arguments:
        _write(
            written / "other.csv", ["pay it", "my loan", "a fee", "the card"], ["a", "a", "b", "b"]
        )
        target = written / "known.csv"
        arguments = [*arguments, "--scenario", "unlabelled"]
    (written / "photos").mkdir(exist_ok=True)
    (written / "photos" / "read.me").write_text("nothing")
    given = [argument.format(folder=written) for argument in arguments]
    sources = ["--sources", str(written / "table")]
    assert message in refused(str(target), *sources, *given)
