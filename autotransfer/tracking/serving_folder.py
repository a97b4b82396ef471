"""A saved selection as an MLflow model: code and safetensors, no pickle."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mlflow import pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from autotransfer.results import RECORD_FILE
from autotransfer.tracking.columns import answer_columns

# run by MLflow, above us in the layers
SERVING = Path(__file__).parents[1] / "selection" / "serving.py"
_PINNED = ("autotransfer", "torch", "timm")  # what decides whether the same file loads the same
_EXTRAS = {
    "text": ("tokenizers", "transformers"),
    "sound": ("soundfile", "soxr", "transformers"),
}
# what single trials left behind: megabytes nobody asked for
_NOT_SERVED = ("trials", "validation", "*.tmp", ".*")


def write_serving_folder(selection: Path, folder: Path, class_names: Sequence[str]) -> Path:
    """Write what `mlflow.pyfunc.load_model` reads; return its folder.

    MLflow's own `log_model` would start a run of the user's; this only writes files.

    Args:
        selection: Folder of the saved selection.
        folder: An empty folder.
        class_names: Names of the K classes.
    """
    kept = shutil.copytree(
        selection, folder / "selection", ignore=shutil.ignore_patterns(*_NOT_SERVED)
    )
    name, *numbers = answer_columns(class_names)
    outputs = Schema([ColSpec("string", name), *(ColSpec("double", n) for n in numbers)])
    record = json.loads((selection / RECORD_FILE).read_text("utf-8"))
    modality = str(record.get("modality", "image"))  # a record says it of all but images
    pyfunc.save_model(
        folder / "model",
        python_model=str(SERVING),
        artifacts={"selection": str(kept)},
        pip_requirements=[*_pinned((*_PINNED, *_EXTRAS.get(modality, ())))],
        # Without inputs: a schema would take a table or an array, never both.
        signature=ModelSignature(outputs=outputs),
    )
    return folder / "model"


def _pinned(packages: Sequence[str]) -> Iterator[str]:
    """Yield the versions of packages, as far as they are installed."""
    for name in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name}=={importlib.metadata.version(name)}"
