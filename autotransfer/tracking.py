"""Records to MLflow: one parent run a fit, one child run a trial.

MLflow is a mirror. It is written through its client alone, so the user's own active run and
tracking URI stay as they are; nothing reads it back during a fit; and when it cannot be reached
the fit goes on, since the study and the selection folder hold every record.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotransfer.errors import TrackingWarning
from autotransfer.results import Outcome, Record, State
from autotransfer.space import study_name

STORE_FILE = "mlflow.db"
ARTIFACTS = "mlartifacts"
NUMBER_TAG = "autotransfer.number"
_PARENT_TAG = "mlflow.parentRunId"
_LONGEST = 500  # characters of a parameter or a tag
_SERVING = Path(__file__).with_name("serving.py")
_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class Tracker:
    """Writes the records of one fit to MLflow.

    Args:
        uri: Tracking URI; None is MLFLOW_TRACKING_URI, or SQLite in the workspace.
        experiment: Name of the experiment; made when it is not there.
        workspace: Folder of the embedded store.
    """

    def __init__(self, uri: str | None, experiment: str, workspace: Path) -> None:
        embedded = f"sqlite:///{(workspace / STORE_FILE).resolve()}"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or embedded
        self.run_id: str | None = None
        self._experiment = experiment
        self._artifacts = (workspace / ARTIFACTS).resolve() if self.uri == embedded else None
        self._client: Any = None
        self._experiment_id = ""
        self._written: set[int] = set()
        self._failed = False

    def start(
        self, name: str, *, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str | None:
        """Open the parent run; return its id, or None when MLflow cannot be reached."""

        def write() -> None:
            client = self._connect()
            run = client.create_run(
                self._experiment_id,
                tags={**_short(tags), "mlflow.source.name": "autotransfer"},
                run_name=name,
            )
            self.run_id = run.info.run_id
            self._log(self.run_id, params=params)

        self._guarded(write)
        return self.run_id

    def resume(self, run_id: str) -> None:
        """Continue the parent run of a resumed study."""
        self.run_id = run_id

        def write() -> None:
            client = self._connect()
            client.update_run(run_id, status="RUNNING")
            children = client.search_runs(
                [self._experiment_id], f"tags.`{_PARENT_TAG}` = '{run_id}'", max_results=50_000
            )
            self._written = {
                int(child.data.tags[NUMBER_TAG])
                for child in children
                if NUMBER_TAG in child.data.tags and child.info.status != "RUNNING"
            }

        self._guarded(write)

    def write(self, outcome: Outcome) -> None:
        """Write one trial as a child run; writing it twice changes nothing."""
        if outcome.number in self._written or self.run_id is None:
            return

        def write() -> None:
            client = self._connect()
            run = client.create_run(
                self._experiment_id,
                tags=_outcome_tags(outcome, str(self.run_id)),
                run_name=f"{outcome.number:02d} {outcome.strategy}·{outcome.source}",
            )
            self._log(
                run.info.run_id, params=_outcome_params(outcome), metrics=_outcome_metrics(outcome)
            )
            if outcome.error:
                client.log_text(run.info.run_id, outcome.error, "error.txt")
            # Pruned is a good end; KILLED would look like a failure in the list of runs.
            status = "FAILED" if outcome.state is State.FAILED else "FINISHED"
            client.set_terminated(run.info.run_id, status)
            self._written.add(outcome.number)

        self._guarded(write)

    def finish(self, record: Record, folder: Path) -> None:
        """Write verdict, ranking, model and note to the parent run, and end it."""
        if self.run_id is None:
            return
        run_id = self.run_id

        def write() -> None:
            client = self._connect()
            self._log(run_id, metrics=_verdict_metrics(record), tags=_verdict_tags(record))
            ranking = [vars(row) | {"estimators": dict(row.estimators)} for row in
                       record.ranking.rows]
            client.log_text(run_id, json.dumps(ranking, indent=2, default=str), "ranking.json")
            client.log_artifact(run_id, str(folder / "selection.json"))
            self._log_model(run_id, folder)
            client.set_terminated(run_id, "FINISHED")

        self._guarded(write)

    def fail(self, reason: str) -> None:
        """End the parent run as failed."""
        if self.run_id is None:
            return
        run_id = self.run_id

        def write() -> None:
            client = self._connect()
            client.set_tag(run_id, "reason", reason[:_LONGEST])
            client.set_terminated(run_id, "FAILED")

        self._guarded(write)

    def _connect(self) -> Any:
        if self._client is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            for name, value in _QUICK.items():  # a server that is down must not hold up a fit
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient

            client = MlflowClient(self.uri, self.uri)
            found = client.get_experiment_by_name(self._experiment)
            if found is None:
                place = None if self._artifacts is None else self._artifacts.as_uri()
                self._experiment_id = client.create_experiment(self._experiment, place)
            else:
                self._experiment_id = found.experiment_id
            self._client = client
        return self._client

    def _guarded(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            write()
        except Exception as error:  # noqa: BLE001 - whatever MLflow raises, the fit goes on
            self._failed = True
            warnings.warn(
                f"MLflow at {self.uri} cannot be written ({str(error).splitlines()[0][:200]}); "
                "the fit goes on, its records are in the study and the output folder",
                TrackingWarning,
                stacklevel=3,
            )

    def _log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[tuple[str, int], float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write parameters, metrics by (name, step) and tags in one batch."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[
                Metric(name, value, now, step) for (name, step), value in (metrics or {}).items()
            ],
            params=[Param(name, value) for name, value in _short(params or {}).items()],
            tags=[RunTag(name, value) for name, value in _short(tags or {}).items()],
        )

    def _log_model(self, run_id: str, folder: Path) -> None:
        """Log the selection as a pyfunc made from code and safetensors, without pickle."""
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        requirements = [
            f"{name}=={importlib.metadata.version(name)}" for name in ("autotransfer", "torch")
        ]
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "model"
            mlflow.pyfunc.save_model(
                path,
                python_model=str(_SERVING),
                artifacts={"selection": str(_without_trials(folder, Path(temporary)))},
                pip_requirements=requirements,
                signature=ModelSignature(inputs=Schema([ColSpec("string", "image")])),
            )
            self._client.log_artifacts(run_id, str(path), "model")


def _without_trials(folder: Path, temporary: Path) -> Path:
    """Return a copy of the selection without the predictors of single trials."""
    import shutil

    return Path(
        shutil.copytree(
            folder, temporary / "selection", ignore=shutil.ignore_patterns("trials", "*.tmp")
        )
    )


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value)[:_LONGEST] for key, value in values.items()}


def _outcome_tags(outcome: Outcome, parent: str) -> dict[str, str]:
    tags = {
        _PARENT_TAG: parent,
        NUMBER_TAG: str(outcome.number),
        "state": str(outcome.state),
        "mlflow.source.name": "autotransfer",
    }
    if outcome.reason:
        tags["reason"] = outcome.reason[:_LONGEST]
    return tags


def _outcome_params(outcome: Outcome) -> dict[str, Any]:
    params = {study_name(name, outcome.strategy): v for name, v in outcome.params.items()}
    return {"source": outcome.source, "strategy": outcome.strategy, **params}


def _outcome_metrics(outcome: Outcome) -> dict[tuple[str, int], float]:
    metrics = {("seconds", 0): outcome.seconds}
    metrics |= {("rung/score", step): value for step, value in outcome.rungs}
    if outcome.value is not None:
        metrics["validation/score", 0] = outcome.value
    if outcome.log_loss is not None:
        metrics["validation/log_loss", 0] = outcome.log_loss
    return metrics


def _verdict_metrics(record: Record) -> dict[tuple[str, int], float]:
    verdict = record.verdict
    metrics = {
        ("test/score", 0): verdict.test.value,
        ("test/low", 0): verdict.test.low,
        ("test/high", 0): verdict.test.high,
        ("test/returned", 0): verdict.returned_test,
        ("gap/value", 0): verdict.gap.value,
        ("gap/low", 0): verdict.gap.low,
        ("gap/high", 0): verdict.gap.high,
        ("seconds/total", 0): record.seconds.total,
    }
    metrics |= {(f"baseline/{b.name}", 0): b.test for b in verdict.baselines}
    if record.finalist.value is not None:
        metrics["validation/score", 0] = record.finalist.value
    best, spent = float("-inf"), 0.0
    for step, outcome in enumerate(record.outcomes):  # the best so far against seconds spent
        spent += outcome.seconds
        best = max(best, outcome.value if outcome.value is not None else best)
        metrics["search/seconds", step] = spent
        if best > float("-inf"):
            metrics["search/best", step] = best
    return metrics


def _verdict_tags(record: Record) -> dict[str, str]:
    verdict = record.verdict
    note = f"**{verdict.decision}**: {verdict.sentence}.\n\n" + "\n".join(
        [
            f"Source **{record.finalist.source}**, strategy **{record.finalist.strategy}**; "
            f"returned: **{verdict.returned}**.",
            "",
            "| predictor | test |",
            "| --- | --- |",
            f"| finalist | {verdict.test.value:.3f} |",
            *(f"| {b.name} | {b.test:.3f} |" for b in verdict.baselines),
        ]
    )
    return {
        "verdict": str(verdict.decision),
        "basis": verdict.basis,
        "returned": verdict.returned,
        "source": record.finalist.source,
        "strategy": record.finalist.strategy,
        "mlflow.note.content": note,
        **record.provenance,
    }
