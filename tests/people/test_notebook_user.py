"""A user of Jupyter and scikit-learn: a fit, its card and tables, its features, the classifier."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.browser import Browser
from tests.end_to_end.notebooks import error_of, html_of, page_of, run_cells, streamed

pytestmark = [pytest.mark.kit, pytest.mark.nightly, pytest.mark.timeout(900)]

PER_CLASS = 40
CELLS = (
    "import autotransfer",
    """
selection = autotransfer.fit(
    "photos", sources="catalogue.toml", plugins=["timm_extra.py"], source=[
        "mobilenetv1-100-imagenet", "mobilenetv1-050-imagenet", "mobilenetv1-025-person"],
    trials=2,
)""",
    "selection",
    "print(selection)",
    "selection.ranking.to_frame()",
    "selection.leaderboard()",
    """
from pathlib import Path
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

paths = sorted(Path("photos").glob("*/*"))
y = [path.parent.name for path in paths]
pipeline = make_pipeline(selection.features(), LogisticRegression(max_iter=1000))
cross_val_score(pipeline, paths, y, cv=3)""",
    "pipeline.fit(paths, y)",
    "pipeline[:-1].get_feature_names_out()[:3]",
    """
classifier = autotransfer.AutoTransferClassifier(
    sources="catalogue.toml", source=["mobilenetv1-100-imagenet"], plugins=["timm_extra.py"])
classifier.fit(paths, y)""",
    "classifier.predict_proba(paths[:3])",
    "autotransfer.fit('photos', sorces='catalogue.toml')",
)


@pytest.fixture
def folder(kit: Path, tmp_path: Path) -> Path:
    """A folder with photos in two class folders, and links to the catalogue of the kit."""
    with zipfile.ZipFile(kit / "data" / "hymenoptera.zip") as archive:
        for kind in ("ants", "bees"):
            place = tmp_path / "photos" / kind
            place.mkdir(parents=True)
            names = [n for n in archive.namelist() if n.startswith(f"train/{kind}/")]
            for name in names[:PER_CLASS]:
                (place / Path(name).name).write_bytes(archive.read(name))
    for file in (kit / "weights").iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def test_a_notebook_has_progress_a_card_tables_features_and_a_classifier(
    folder: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = run_cells(CELLS, folder, monkeypatch)
    page = folder / "page.html"
    page.write_text(page_of(CELLS, outputs), encoding="utf-8")
    with Browser(page, folder) as browser:
        browser.look(1000, "light")
        browser.picture(pictures / "notebook.png")
    shown = dict(zip(CELLS, outputs, strict=True))
    assert [error_of(part) for part in outputs[:-1]] == [""] * (len(CELLS) - 1)
    assert "did you mean 'sources'?" in error_of(outputs[-1])
    assert shown["import autotransfer"] == []
    told = streamed(outputs[1])
    assert "80 images of 2 classes" in told
    assert "trial 1: " in told  # the second of two
    assert not any(word in told for word in ("Trial 0", "alembic", "IProgress", "Warning"))
    assert "mobilenetv1-100-imagenet" in html_of(shown["selection"])
    assert len(streamed(shown["print(selection)"]).splitlines()) <= 12
