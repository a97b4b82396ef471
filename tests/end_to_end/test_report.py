"""The report of real fits: written, logged, and readable in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import ReportWarning, TrackingWarning
from autotransfer.report import page
from autotransfer.scenarios.budget import Budget
from autotransfer.tracking.sync import sync

pytestmark = pytest.mark.usefixtures("warm_cache")

HOSTILE = '<b>蜜蜂 & "bees"\''


def _fit(target: Path, catalogue: Path, **options: Any) -> autotransfer.Selection:
    defaults: dict[str, Any] = {
        "strategies": ["feature-extraction"],
        "budget": Budget(trials=1),
        "out": "found",
    }
    return autotransfer.fit(str(target), sources=str(catalogue), **{**defaults, **options})


def test_a_fit_leaves_a_report_beside_its_model_and_in_mlflow(
    target: Path, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    selection = _fit(target, catalogue)
    text = (tmp_path / "found" / "report.html").read_text(encoding="utf-8")
    assert selection.verdict.sentence.split(" (")[0] in text
    assert "could not be made" not in text
    assert "Left out" not in text
    for key in ("confusion", "reliability", "balance", "shift", "leaderboard"):
        assert f'<section id="{key}"' in text

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert selection.record.run_id is not None
    names = [file.path for file in client.list_artifacts(selection.record.run_id)]
    assert "report.html" in names

    assert run(["show", "found"]) == 0
    assert str(Path("found") / "report.html") in capsys.readouterr().out
    assert run(["show", "found", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(Path("found") / "report.html")


def test_sync_writes_the_report_to_another_store(
    target: Path, catalogue: Path, tmp_path: Path
) -> None:
    _fit(target, catalogue)
    with pytest.warns(TrackingWarning, match="has no run"):
        (synced,) = sync(tracking_uri=f"sqlite:///{tmp_path}/other.db")
    assert synced.run_id is not None
    client = MlflowClient(f"sqlite:///{tmp_path}/other.db")
    assert "report.html" in [file.path for file in client.list_artifacts(synced.run_id)]


def test_a_report_that_cannot_be_written_loses_no_fit(
    target: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(page, "page", broken)
    with pytest.warns(ReportWarning, match="no space left"):
        selection = _fit(target, catalogue)
    loaded = autotransfer.load(tmp_path / "found")
    assert any("no report was written" in text for text in loaded.record.warnings)
    assert len(loaded.predict(str(target))) == len(selection.predict(str(target)))


def test_class_folders_with_markup_in_their_names_are_shown_as_they_are(
    folder_target: Path, catalogue: Path, tmp_path: Path
) -> None:
    first = sorted(folder_target.iterdir())[0]
    first.rename(folder_target / HOSTILE)
    _fit(folder_target, catalogue)
    text = (tmp_path / "found" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;蜜蜂 &amp; &#34;bees&#34;&#39;" in text
    assert "<b>蜜蜂" not in text
    assert "could not be made" not in text


@pytest.mark.slow
@pytest.mark.kit
def test_a_browser_shows_verdict_leaderboard_and_words_for_every_figure(
    kit: Path, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium is installed")
    selection = autotransfer.fit(
        str(kit / "data" / "hymenoptera.zip"),
        sources=str(kit / "weights" / "catalogue.toml"),
        source=["mobilenetv1-025-imagenet"],
        plugins=[str(kit / "weights" / "timm_extra.py")],
        strategies=["feature-extraction"],
        budget=Budget(trials=1, seconds=200),
        out="found",
    )
    profile = f"--user-data-dir={tmp_path / 'browser'}"
    address = (tmp_path / "found" / "report.html").as_uri()
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", profile, address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    shown = done.stdout
    assert f"<strong>{selection.verdict.decision}</strong>" in shown
    assert "Leaderboard of the trials" in shown
    assert selection.best.source in shown
    assert shown.count("<svg") == shown.count('role="img"') >= 6
    assert shown.count("<img") == shown.count('alt="') > 0
    assert "could not be made" not in shown


def test_a_picture_of_a_copied_file_is_counted(
    folder_target: Path, catalogue: Path, tmp_path: Path
) -> None:
    first = sorted(next(folder_target.iterdir()).iterdir())[0]
    with Image.open(first) as picture:
        picture.resize((64, 64), Image.Resampling.NEAREST).save(first.with_name("copy.png"))
    _fit(folder_target, catalogue)
    text = (tmp_path / "found" / "report.html").read_text(encoding="utf-8")
    assert "Images that occur twice" in text
