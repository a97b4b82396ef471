"""An MLflow store behind its client: where it is, its experiment, and writing in batches.

Only `MlflowClient` is used. The fluent interface (`mlflow.start_run`) has one active run and one
tracking URI in each process, and both of them are the user's.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from autotransfer.errors import TrackingWarning
from autotransfer.masking import note_secrets
from autotransfer.tracking.places import is_database, store_uri
from autotransfer.tracking.projection import Figure
from autotransfer.tracking.tables import ensure_tables, sqlite_file

ARTIFACT_FOLDER = "mlartifacts"
VIEW = "autotransfer"  # key of the columns that the experiment page shows

# else MLflow guesses whether these are runs of training or of language models
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_ENTRIES_PER_BATCH = 90  # MLflow takes 100 parameters, 100 tags and 1000 metrics at once
_METRICS_PER_BATCH = 800
# MLflow's own defaults wait about four minutes for a server that is down.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class Store:
    """One experiment of one MLflow store; it is opened when it is first used.

    Args:
        uri: Tracking URI; None is `MLFLOW_TRACKING_URI`, or SQLite in the workspace.
        experiment: Name of the experiment; made where it is not there.
        workspace: Folder of the embedded store, and of the artifacts of a new experiment in any
            store without a server.
    """

    def __init__(self, uri: str | None, experiment: str, workspace: Path) -> None:
        self.uri = store_uri(uri, workspace)
        note_secrets(self.uri)
        self._experiment = experiment
        self._artifacts = workspace.resolve() / ARTIFACT_FOLDER
        self._client: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """Return the client; MLflow's tables are made where the database is new."""
        if self._client is None:
            self._client = open_client(self.uri)
        return self._client

    def experiment_id(self) -> str:
        """Return the id of the experiment, which is made where it is not there."""
        found = self.client.get_experiment_by_name(self._experiment)
        if found is None:
            local = is_database(self.uri) or self.uri.startswith("file:") or ":" not in self.uri
            # a server has its own place for artifacts
            place = self._artifacts.as_uri() if local else None
            try:
                return str(self.client.create_experiment(self._experiment, place, tags=_KIND))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(self._experiment)
        if found.lifecycle_stage != "active":
            raise MlflowException(
                f"the experiment {found.name!r} was deleted; restore it (mlflow experiments "
                f"restore -x {found.experiment_id}) or name another one"
            )
        return str(found.experiment_id)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        figures: tuple[Figure, ...] = (),
        tags: Mapping[str, str] | None = None,
        start_ms: int | None = None,
    ) -> None:
        """Write everything about a run, in as few requests as MLflow allows.

        Args:
            run_id: The run.
            params: Parameters; once written, MLflow refuses another value.
            figures: Metrics. The same figure at the same time is kept once.
            tags: Tags; a new value replaces the old.
            start_ms: Milliseconds since 1970 that `Figure.seconds` count from; None is now.
        """
        origin = int(time.time() * 1000) if start_ms is None else start_ms
        metrics = [
            Metric(f.name, f.value, origin + int(f.seconds * 1000), f.step) for f in figures
        ]
        entries = [Param(name, value) for name, value in (params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        while metrics or entries or labels:
            self.client.log_batch(
                run_id,
                metrics=metrics[:_METRICS_PER_BATCH],
                params=entries[:_ENTRIES_PER_BATCH],
                tags=labels[:_ENTRIES_PER_BATCH],
            )
            del metrics[:_METRICS_PER_BATCH]
            del entries[:_ENTRIES_PER_BATCH], labels[:_ENTRIES_PER_BATCH]


def open_client(uri: str) -> MlflowClient:
    """Return a client of a store; MLflow's tables are made where the database is new.

    Raises:
        OSError: If the file of the database cannot be written.
        sqlalchemy.exc.SQLAlchemyError: If the database does not open.
    """
    if is_database(uri):
        file = sqlite_file(uri)
        if file is not None:
            ensure_tables(file)
        engine = sqlalchemy.create_engine(uri)  # MLflow alone would try for 100 seconds
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    return MlflowClient(uri, uri)


def runs_page(experiment_id: str) -> str:
    """Return the part of MLflow's address, after host and port, that lists the trials."""
    query = f"viewStateShareKey={VIEW}&workflowType=machine_learning"
    return f"/#/experiments/{experiment_id}/runs?{query}"


@contextmanager
def patience() -> Iterator[None]:
    """Bound what MLflow waits for a server; keep its warnings and bars from the user.

    MLflow reads its limits from the environment at each request. What the user has set stays;
    what is added is taken away again. Errors of a database are raised; MLflow would log them, with
    a traceback, as well.
    """
    added = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    logger = logging.getLogger("mlflow.store")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", TrackingWarning)
            yield
    finally:
        logger.setLevel(level)
        for name in added:
            os.environ.pop(name, None)
