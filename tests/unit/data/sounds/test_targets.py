"""Sounds as people have them, and one line for what cannot be used."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autotransfer.data.holdout import divide
from autotransfer.data.modality import Modality
from autotransfer.data.near_duplicates import near_duplicates
from autotransfer.data.sounds.decoding import decode_sound, sound_of
from autotransfer.data.sounds.speakers import speakers
from autotransfer.data.target import open_images, open_target
from autotransfer.errors import CorruptImagesError, InvalidTargetError
from tests.tiny_sounds import RATE, encoded, sounds, tone, write_sounds


def test_class_folders_archives_manifests_and_lists_of_sounds_are_targets(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "s", 4)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for file in folder.rglob("*.wav"):
            archive.write(file, file.relative_to(folder))
    table = pd.read_csv(folder / "sounds.csv")
    paths = ([str(folder / name) for name in table["sound"]], list(table["label"]))
    renamed = table.rename(columns={"sound": "path"})
    renamed.to_csv(folder / "paths.csv", index=False)
    forms: list[Any] = [
        folder, tmp_path / "s.zip", folder / "sounds.csv", folder / "paths.csv", paths, sounds(4),
    ]  # fmt: skip
    for form in forms:
        opened = open_target(form)
        assert opened.train.modality is Modality.SOUND
        assert opened.class_names == ("high", "low", "middle")
        assert np.bincount(opened.train.labels).tolist() == [4, 4, 4]
        assert opened.train[0].rate == RATE


def test_a_dataset_of_hugging_face_with_a_column_of_audio_is_a_target() -> None:
    hugging = pytest.importorskip("datasets")
    given, labels = sounds(2)
    rows = {"audio": [{"bytes": encoded(w), "path": None} for w, _ in given], "label": labels}
    kinds = hugging.Features(
        audio=hugging.Features(
            {"bytes": hugging.Value("binary"), "path": hugging.Value("string")}
        ),
        label=hugging.Value("string"),
    )
    dataset = hugging.Dataset.from_dict(rows, features=kinds)
    dataset = dataset.cast_column("audio", hugging.Audio(decode=False))
    opened = open_target(dataset)
    assert opened.train.modality is Modality.SOUND
    assert opened.train[0].rate == RATE


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_every_format_is_decoded_to_the_mean_of_its_channels(kind: str) -> None:
    wave = tone(440, 0.5)
    found = decode_sound(encoded(np.stack([wave, 0 * wave], axis=1), kind, RATE))
    assert found.rate == RATE
    middle = slice(1000, 3000)
    assert np.corrcoef(found.samples[middle], wave[middle])[0, 1] > 0.98
    assert abs(np.abs(found.samples).max() / (np.abs(wave).max() / 2) - 1) < 0.1


def test_integers_are_scaled_and_the_rate_is_changed_by_whole_lengths() -> None:
    wave = tone(440, 0.5)
    small = sound_of(np.round(wave * 32768).astype(np.int16), RATE)
    assert np.allclose(small.samples, wave, atol=1e-4)
    assert len(small.at(16_000)) == 2 * len(wave)
    assert len(small.at(16_000, seconds=0.1)) == 1600
    assert small.at(RATE) is not None


BAD = {
    "text": (b"no sound at all", "no sound that can be read"),
    "empty": (b"", "no sound that can be read"),
    "cut": (encoded(tone(440))[:30], "no sound that can be read"),
    "silent": (encoded(np.zeros(4000)), "silent"),
    "short": (encoded(tone(440, 0.01)), "10 ms long; at least 25 are needed"),
    "long": (encoded(np.zeros(700 * 1000), rate=1000), "12 minutes long; 10 are the limit"),
    "slow": (encoded(tone(440), rate=100), "100 samples a second; 1,000 to 400,000 are read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_named_or_left_out(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    folder = write_sounds(tmp_path / "s", 3)
    (folder / "low" / "bad_99.wav").write_bytes(content)
    with pytest.raises(CorruptImagesError, match="1 sound") as caught:
        open_target(folder)
    assert f"low/bad_99.wav: {message}" in str(caught.value)
    assert len(open_target(folder, on_bad_image="skip").train) == 9


def test_clipped_sounds_are_used_and_named(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "s", 3)
    (folder / "low" / "loud_99.wav").write_bytes(encoded(np.clip(9 * tone(300), -1, 1)))
    opened = open_target(folder)
    assert "1 sound(s) are clipped: 'low/loud_99.wav'" in opened.notes
    assert len(opened.train) == 10


def test_copies_that_are_softer_padded_or_rounded_are_near_duplicates() -> None:
    first, other = tone(440, 0.6, seed=1), tone(1200, 0.6, seed=2)
    copies = [
        0.3 * first,
        np.concatenate([np.zeros(900, np.float32), first]),
        decode_sound(encoded(first)).samples,
    ]
    given = [(wave, RATE) for wave in (first, other, *copies)]
    found = near_duplicates(open_images(given, modality=Modality.SOUND))
    assert {(0, 2), (0, 3), (0, 4)} <= set(map(tuple, found.tolist()))
    assert not (found == 1).any()


@pytest.mark.parametrize(
    ("names", "labels", "found"),
    [
        (["alice_1", "bob_2", "alice_3", "bob_4"] * 3, list("xxyy") * 3, ("alice", "bob")),
        (["0_al_1", "0_bo_2", "1_al_3", "1_bo_4"] * 3, list("0011") * 3, ("al", "bo")),
        (["dog_1", "dog_2", "cat_3", "cat_4"] * 3, ["dog", "dog", "cat", "cat"] * 3, ()),
        ([f"{i}" for i in range(12)], list("xy") * 6, ()),
        ([f"take_{i}" for i in range(12)], list("xy") * 6, ()),
        ([f"clip{i}_a" for i in range(12)], list("xy") * 6, ()),
    ],
)
def test_speakers_are_told_from_names(
    names: list[str], labels: list[str], found: tuple[str, ...]
) -> None:
    assert speakers([f"{label}/{name}.wav" for name, label in zip(names, labels, strict=True)],
                    labels) == found  # fmt: skip


def test_speakers_in_several_folds_are_warned_of_unless_they_are_groups(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "s", 8)
    assert "4 speakers or recordings ('alice'" in " ".join(divide(open_target(folder)).notes)
    grouped = open_target(folder / "sounds.csv", group_column="speaker")
    assert "speakers" not in " ".join(divide(grouped).notes)


def test_without_the_extra_one_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write_sounds(tmp_path / "s", 2)

    def absent(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(InvalidTargetError, match=r"pip install 'autotransfer\[sound\]'"):
        open_target(folder)
