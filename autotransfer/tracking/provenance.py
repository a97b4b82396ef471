"""What a fit was made from, as MLflow datasets: the target's items and the source."""

from __future__ import annotations

import json

from mlflow.entities import Dataset, DatasetInput, InputTag

from autotransfer.results import Record
from autotransfer.tracking.projection import one_line

_DIGEST = 32  # characters of a sha256; MLflow takes 36
_NAME = 500


def datasets_of(record: Record, target: str) -> list[DatasetInput]:
    """Return the target and the finalist's source, each with hash, licence and origin."""
    known = record.provenance
    rows = record.ranking.rows
    images = Dataset(
        target[:_NAME],
        known.get("target", "unknown")[:_DIGEST],
        "items",
        json.dumps({"sha256": known.get("target", "unknown")}),
        profile=json.dumps(
            {
                "num_images": max((row.num_images for row in rows), default=0),
                "classes": [one_line(name, 80) for name in record.class_names[:50]],
            }
        ),
    )
    source = Dataset(
        record.finalist.source[:_NAME],
        known.get("source", "unknown")[:_DIGEST],
        "pretrained network",
        json.dumps(
            {
                "sha256": known.get("source", "unknown"),
                "license": one_line(known.get("source.license", "unknown")),
                "origin": one_line(known.get("source.origin", "unknown")),
                "pretrained_on": one_line(known.get("source.pretrained_on", "unknown")),
            }
        ),
    )
    return [_input(images, "training"), _input(source, "source")]


def _input(dataset: Dataset, context: str) -> DatasetInput:
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
