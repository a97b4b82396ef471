"""The saved selection as a logged model of its run: what the Models page shows and serves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.exceptions import MlflowException

from autotransfer.results import Record
from autotransfer.tracking.note import note
from autotransfer.tracking.projection import model_figures, one_line
from autotransfer.tracking.provenance import datasets_of

MODEL_NAME = "model"
_CONTENT = "content"  # the tag with the digest of what it answers by
# what servers before 3.0 answer, which know no logged models
_UNKNOWN = ("ENDPOINT_NOT_FOUND", "NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED")


@dataclass(frozen=True)
class LoggedModel:
    """Where a model is.

    Args:
        uri: What `mlflow.pyfunc.load_model` takes.
        model_id: Its id; empty where it lies among the artifacts of the run.
    """

    uri: str
    model_id: str


def write_model(
    client: MlflowClient, run_id: str, folder: Path, record: Record, target: str, *, at_ms: int
) -> LoggedModel:
    """Return the logged model of a run, written where it is not there yet.

    A fit that went on and found another one gives its run one more: `runs:/RUN/model` is the last.
    A server that knows no logged models gets it as an artifact of the run.

    Args:
        client: Of the store.
        run_id: The run.
        folder: What `write_serving_folder` wrote.
        record: What was found.
        target: Name of the target, on which its figures were measured.
        at_ms: When the run has these figures, in milliseconds since 1970: each stays one point.
    """
    run = client.get_run(run_id)
    content, outputs = _content(folder), [] if run.outputs is None else run.outputs.model_outputs
    if outputs:
        last = max(outputs, key=lambda output: output.step)
        known = client.get_logged_model(str(last.model_id))
        if known.tags.get(_CONTENT, content) == content:  # models of version 0.1 have no tag
            return LoggedModel(f"models:/{known.model_id}", str(known.model_id))
    try:
        model = client.create_logged_model(
            run.info.experiment_id,
            MODEL_NAME,
            run_id,
            tags={
                "verdict": str(record.verdict.decision),
                "returned": record.verdict.returned,
                "source": one_line(record.finalist.source),
                "license": one_line(record.provenance.get("source.license", "unknown")),
                "mlflow.note.content": note(record),
                _CONTENT: content,
            },
            params={"strategy": one_line(record.finalist.strategy), "metric": record.metric},
            model_type=f"{record.modality} classifier",
        )
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise
        client.log_artifacts(run_id, str(folder), MODEL_NAME)
        return LoggedModel(f"runs:/{run_id}/{MODEL_NAME}", "")
    model_id = str(model.model_id)
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, len(outputs))])
    client.log_batch(run_id, metrics=_metrics(record, target, model_id, at_ms))
    return LoggedModel(f"models:/{model_id}", model_id)


def _metrics(record: Record, target: str, model_id: str, at_ms: int) -> list[Metric]:
    """Return the figures of the run that are about the model, as the model's own."""
    items = datasets_of(record, target)[0].dataset
    about: Mapping[str, str] = {"dataset_name": items.name, "dataset_digest": items.digest}
    return [
        Metric(f.name, f.value, at_ms, f.step, model_id=model_id, **about)
        for f in model_figures(record)
    ]


def _content(folder: Path) -> str:
    """Return a digest of what a model answers by: its weights, and what is said about them."""
    found = hashlib.sha256()
    for path in sorted([*folder.rglob("*.safetensors"), *folder.rglob("predictor.json")]):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()
