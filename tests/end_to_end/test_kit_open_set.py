"""Flowers without labels among which ants and bees have got, and flowers alone to learn from."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import autotransfer
from autotransfer.selection.selection import Selection

pytestmark = [pytest.mark.kit, pytest.mark.slow, pytest.mark.timeout(1800)]

SOURCE = "mobilenetv1-050-imagenet"
INSECTS, FLOWERS = 80, 200


def _unpack(archive: Path, part: str, folder: Path, most: int) -> None:
    """Write images of an archive side by side, named by their class."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive) as found:
        names = sorted(name for name in found.namelist() if f"{part}/" in name and "." in name)
        for name in names[:: max(1, len(names) // most)][:most]:
            kind, file = name.split("/")[-2:]
            (folder / f"{kind}-{file}").write_bytes(found.read(name))


def _labelled(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as found:
        for name in found.namelist():
            if "train/" in name and "." in name:
                kind, file = name.split("/")[-2:]
                (folder / kind).mkdir(parents=True, exist_ok=True)
                (folder / kind / file).write_bytes(found.read(name))


@pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning")
def test_ants_and_bees_among_flowers_are_counted_rejected_and_audited(
    kit: Path, kit_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(kit_cache))
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "photos"
    _unpack(kit / "data" / "flowers5.zip", "test", target, FLOWERS)
    _unpack(kit / "data" / "hymenoptera.zip", "val", target, INSECTS)
    _labelled(kit / "data" / "flowers5.zip", tmp_path / "flowers")

    def fitted(**options: Any) -> Selection:
        return autotransfer.fit(
            target,
            source_data=tmp_path / "flowers",
            sources=kit / "weights" / "catalogue.toml",
            source=(SOURCE,),
            plugins=(kit / "weights" / "timm_extra.py",),
            strategies=("source-probe", "feature-coral"),
            budget="2 trials",
            name="mine",
            **options,
        )

    asked = fitted(audit_labels=40)
    seen = asked.record.open_world
    assert seen is not None
    assert seen.unknown is not None
    assert seen.unknown.share is not None
    right = INSECTS / (INSECTS + FLOWERS)
    assert seen.unknown.share.low - 0.03 <= right <= seen.unknown.share.high + 0.03
    table = asked.predict_table(target, abstain=True)
    strange = table.index.str.match("ants|bees")
    assert table["abstained"][strange].mean() > 0.9
    assert table["abstained"][~strange].mean() < 0.06
    report = (Path(asked.record.model) / "report.html").read_text(encoding="utf-8")
    assert "none-of-these.csv" in report

    audit = Path(asked.record.model) / "audit.csv"
    rows = list(csv.DictReader(audit.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        kind = Path(row["image"]).name.split("-")[0]
        row["label"] = "None of these" if kind in ("ants", "bees") else kind
    assert 4 <= sum(row["label"] == "None of these" for row in rows) <= 12
    with audit.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["image", "label"])
        writer.writeheader()
        writer.writerows(rows)
    found = fitted(audit_labels=str(audit), resume=True).record
    assert found.verdict.basis == "audit labels"
    assert "known accuracy" in found.verdict.remarks[-1]
    assert found.open_world is not None
    assert found.open_world.unknown is not None
    assert found.open_world.unknown.recall is not None
    assert found.open_world.unknown.recall.high > 0.8
