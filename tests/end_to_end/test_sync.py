"""MLflow is away during a fit; `autotransfer sync` writes everything, and twice gives the same."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from mlflow import MlflowClient

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import TrackingWarning
from autotransfer.tracking.sync import sync

pytestmark = pytest.mark.timeout(280)


def _shown(uri: str, run_id: str) -> dict[str, object]:
    """Return everything that MLflow shows of a fit, but the times of writing."""
    client = MlflowClient(uri)
    parent = client.get_run(run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )
    return {
        "parent": [parent.data.metrics, parent.data.params, parent.info.status],
        "children": sorted(
            json.dumps([c.data.metrics, c.data.params, c.data.tags, c.info.status], sort_keys=True)
            for c in children
        ),
        "files": sorted(file.path for file in client.list_artifacts(run_id)),
        "models": [model.model_id for model in parent.outputs.model_outputs],
    }


def test_what_mlflow_has_missed_is_written_later_and_once(
    target: Path, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'mlflow.db'}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        selection = autotransfer.fit(
            target,
            sources=str(catalogue),
            budget="2 trials",
            name="missed",
            tracking_uri=nowhere,
        )
    assert [w for w in caught if issubclass(w.category, TrackingWarning)]
    assert selection.record.run_id is None

    there = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (synced,) = sync(tracking_uri=there)
    assert (synced.name, synced.trials, synced.finished) == ("missed", 2, True)
    assert synced.run_id is not None
    first = _shown(there, synced.run_id)
    assert len(first["children"]) == 2  # type: ignore[arg-type]
    wanted = {"probes.csv", "ranking.csv", "report.html", "selection.json"}
    assert wanted <= set(first["files"])  # type: ignore[call-overload]
    assert len(first["models"]) == 1  # type: ignore[arg-type]
    (again,) = sync(tracking_uri=there)
    assert again == synced
    assert _shown(there, synced.run_id) == first

    capsys.readouterr()
    assert run(["sync", "missed", "--tracking-uri", there, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["studies"][0]["run_id"] == synced.run_id
    assert run(["sync", "unheard-of"]) == 2
