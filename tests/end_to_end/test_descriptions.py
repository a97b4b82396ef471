"""Classes without texts, told apart by a sentence each, from start to verdict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from tests.animals import write_animals
from tests.end_to_end.conftest import Refused
from tests.end_to_end.test_zero_shot import CLOSED_FORM
from tests.tiny_texts import FILLER, TOPICS, write_encoder, write_table

SEEN = ("bank", "card", "cash", "song", "drum", "tune", "ball", "goal", "race")
UNSEEN = ("fee", "choir", "swim")
LEAST_RIGHT = 0.28  # of the images of five animals; 34 % were, chance is 20 %


def _texts(words: tuple[str, ...], per_word: int, seed: int) -> tuple[list[str], list[str]]:
    """Sentences that have the word of their class twice, and another of its topic."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for word in words:
        topic = next(own for own in TOPICS.values() if word in own)
        for _ in range(per_word):
            parts = [word, word, str(rng.choice(topic)), *map(str, rng.choice(FILLER, 3))]
            texts.append(" ".join(map(str, rng.permutation(parts))))
            labels.append(word)
    return texts, labels


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    write_table(folder / "table")
    write_encoder(folder / "encoder")
    with (folder / "known.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(zip(*_texts(SEEN, 8, 0), strict=True))
    with (folder / "classes.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["class", "description"])
        rows.writerows((word, f"{word} is the {word}") for word in (*SEEN, *UNSEEN))
    return folder


@pytest.fixture(scope="module")
def fitted(written: Path, tmp_path_factory: pytest.TempPathFactory) -> autotransfer.Selection:
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(place / "cache"))
        patch.chdir(place)
        return autotransfer.fit(
            written / "known.csv",
            descriptions=written / "classes.csv",
            sources=[str(written / "encoder"), str(written / "table")],
            budget="3 trials",
            tracking_uri="off",
            out=place / "model",
        )


def test_classes_without_texts_are_named_by_their_descriptions(
    fitted: autotransfer.Selection,
) -> None:
    record = fitted.record
    assert (record.modality, record.scenario) == ("text", "zero-shot")
    assert record.zero_shot is not None
    assert record.zero_shot.describer == "table"
    assert record.zero_shot.unseen == UNSEEN
    tried = {outcome.strategy for outcome in record.outcomes}
    assert {"nearest-description", "corrected-description", "mean-of-eszsl"} <= tried
    texts, labels = _texts(UNSEEN, 10, 1)
    assert (fitted.predict(texts) == np.array(labels)).mean() > 0.8


def test_other_sources_cannot_be_compared_with_the_descriptions_and_say_so(
    fitted: autotransfer.Selection,
) -> None:
    reasons = {(s.source, s.strategy): s.reason for s in fitted.record.skipped}
    assert "another source has read" in reasons["encoder", "corrected-description"]


def test_what_is_saved_needs_no_table_and_explains_nothing_by_numbers_without_a_name(
    fitted: autotransfer.Selection, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    arguments = ["predict", fitted.record.model, str(written / "known.csv"), "--json"]
    assert run([*arguments, "--generalised"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert len(rows) == 72
    assert fitted.explain(["the fee is one"]) == []


@pytest.mark.kit
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_images_of_animals_that_were_never_shown_are_named_by_sentences(
    kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_animals(tmp_path / "animals.csv")
    (tmp_path / "closed.toml").write_text(CLOSED_FORM)  # others fit again for each pair of classes
    archive, weights = kit / "data" / "awa_cifar100.zip", kit / "weights"
    plugin = ["--plugin", str(weights / "timm_extra.py")]
    given = ["--sources", str(weights / "minilm_l6"), "--sources", str(weights / "catalogue.toml")]
    given += [*plugin, "--source", "mobilenetv1-025-imagenet", "--tracking-uri", "off"]
    given += ["--descriptions", "animals.csv", "--space", "closed.toml", "--trials", "1"]
    arguments = ["fit", f"zip://seen_train::{archive}", *given, "--out", "animals", "--json"]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["zero_shot"]["describer"] == "minilm_l6"
    assert found["basis"] == "held-out classes"
    assert run(["predict", "animals", f"zip://unseen_test::{archive}", *plugin, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    hits: dict[str, list[bool]] = {}
    for row in rows:
        name = row["image"].split("/")[0]
        hits.setdefault(name, []).append(row["class"] == name)
    assert len(hits) == 5
    right = np.mean([np.mean(told) for told in hits.values()])
    assert right >= LEAST_RIGHT, right


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attributes", "{folder}/classes.csv"], "--descriptions cannot be used beside --attri"),
        (["--scenario", "labelled"], "--descriptions is for the scenario zero-shot"),
        (["--descriptions", "{folder}/known.csv"], "no column 'class' and 'description'"),
        (["--descriptions", "{folder}/few.csv"], "no row for"),
        (["--descriptions", "{folder}/no.csv"], "no.csv"),
        (["--sources", "small_cnn"], "small_cnn"),
        (["--source-data", "{folder}/known.csv"], "source_data cannot be used beside attributes"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    arguments: list[str],
    message: str,
    written: Path,
    refused: Refused,
) -> None:
    (written / "few.csv").write_text("class,description\nbank,a bank\nfee,a fee\n")
    given = [argument.format(folder=written) for argument in arguments]
    if "--descriptions" not in given:
        given += ["--descriptions", str(written / "classes.csv")]
    if "--sources" not in given:
        given += ["--sources", str(written / "table")]
    known = str(written / "known.csv")
    assert message in refused(known, *given)
