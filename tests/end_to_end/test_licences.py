"""`--license` reaches every command that takes sources, in every scenario, and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InvalidOptionError, NoCandidateError
from autotransfer.plugin.testing.tiny import shapes

BOUND = "cc-by-nc-4.0"


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _licensed(catalogue: Path, *licences: str) -> str:
    """Write licences into the three sources of a catalogue; return its path."""
    text = catalogue.read_text(encoding="utf-8")
    for licence in licences:
        text = text.replace('"Apache-2.0"', f'"{licence}"', 1)
    catalogue.write_text(text, encoding="utf-8")
    return str(catalogue)


@pytest.fixture
def five_classes(tmp_path: Path) -> Path:
    """A folder of five class folders; beside it a folder without labels, and a table."""
    images, others, root = shapes(5, 8), shapes(5, 8, seed=1), tmp_path / "classes"
    (tmp_path / "plain").mkdir()
    for i, label in enumerate(images.labels):
        place = root / f"class {label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(images[i])).save(place / f"{i}.png")
        Image.fromarray(np.asarray(others[i])).save(tmp_path / "plain" / f"{i}.png")
    rows = [f"class {k},{k % 2},{k // 2}" for k in range(6)]
    (tmp_path / "a.csv").write_text("\n".join(["class,one,two", *rows]), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    "command",
    ["fit classes", "fit plain --source-data classes", "fit classes --attributes a.csv",
     "rank classes", "distance classes classes", "layers classes", "sources"],
)  # fmt: skip
@pytest.mark.usefixtures("five_classes")
def test_every_command_leaves_out_what_is_not_allowed(
    command: str, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = _licensed(catalogue, BOUND, BOUND, "unknown")
    assert run([*command.split(), "--sources", sources, "--license", "permissive"]) == 2
    told = capsys.readouterr().err
    assert f"tiny-0, tiny-1: its licence is {BOUND}" in told
    assert "tiny-2: its licence is unknown" in told


def test_the_others_are_ranked_and_what_was_left_out_is_told(
    catalogue: Path, folder_target: Path, warm_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = _licensed(catalogue, BOUND)
    arguments = ["rank", str(folder_target), "--sources", sources, "--json"]
    assert run([*arguments, "--license", "permissive"]) == 0
    found = capsys.readouterr()
    ranking = json.loads(found.out)
    assert {row["source"] for row in ranking["ranking"]} == {"tiny-1", "tiny-2"}
    assert [skip["source"] for skip in ranking["skipped"]] == ["tiny-0"]
    assert "not under a permissive licence" not in found.err
    assert run(arguments) == 0
    found = capsys.readouterr()
    assert len(json.loads(found.out)["ranking"]) == 3
    assert f"not under a permissive licence: tiny-0 ({BOUND})" in found.err


def test_python_takes_licences_as_a_list(
    catalogue: Path, folder_target: Path, warm_cache: Path
) -> None:
    sources = _licensed(catalogue, BOUND)
    ranking, skipped = autotransfer.rank(
        folder_target, sources=sources, license=[BOUND], source=["tiny-0", "tiny-1"]
    )
    assert [row.source for row in ranking.rows] == ["tiny-0"]
    assert [skip.source for skip in skipped] == ["tiny-1"]
    with pytest.raises(NoCandidateError, match="its licence is Apache"):
        autotransfer.fit(folder_target, sources=sources, license="mit,isc")
    with pytest.raises(InvalidOptionError, match="did you mean 'permissive'"):
        autotransfer.fit(folder_target, sources=sources, license="permisive")


def test_the_classifier_takes_licences_as_well(catalogue: Path, folder_target: Path) -> None:
    files = sorted(folder_target.rglob("*.png"))
    labels = [file.parent.name for file in files]
    sources = _licensed(catalogue, *[BOUND] * 3)
    made = autotransfer.AutoTransferClassifier(sources=sources, license="permissive")
    with pytest.raises(NoCandidateError, match=BOUND):
        made.fit(files, labels)


def test_sources_lists_licences_and_the_sizes_of_what_was_measured(
    catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sources", "--sources", "tiny", "--license", "apache-2.0"]) == 0
    assert "licence apache-2.0; 62 MB, 2.45 GMAC an image" in capsys.readouterr().out
    sources = _licensed(catalogue, BOUND)
    assert run(["sources", "--sources", sources, "--license", "permissive", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [source["license"] for source in found["sources"]] == ["Apache-2.0"] * 2
    assert found["sources"][0]["gmacs"] is None
    assert BOUND in found["skipped"][0]["reason"]
