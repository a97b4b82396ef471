"""Writing a selection as ONNX, and only where the written graph gives the same answers."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import Dim

from autotransfer.data.atomic_files import write_whole, written_whole
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.images.reading import ArrayReader
from autotransfer.data.modality import Modality
from autotransfer.data.texts.reading import texts_of
from autotransfer.errors import AutotransferError, ExportError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.graph import CheckpointGraph
from autotransfer.selection.export.sounds import SoundGraph, fed, sample_sounds, told_reading
from autotransfer.selection.export.texts import (
    INPUTS,
    TextGraph,
    TokenFile,
    sample_texts,
    told_inputs,
)

TOLERANCE = 1e-4  # in probability, between the graph and the selection
OPSET = 18
INPUT, OUTPUT = "items", "probabilities"
_NEEDED = ("onnx", "onnxruntime", "onnxscript")
_PIXEL_BYTES = 1 << 28
_SIZES = ((1.7, 1.2), (3 / 4, 1.0), (2.6, 3.9))  # height and width, in units of the input's side


def export_onnx(
    path: Path, kept: Checkpoint, class_names: Sequence[str], about: Mapping[str, str]
) -> float:
    """Write a predictor as one ONNX file, after its answers were compared with ours.

    Input `items`: uint8 (n, h, w, 3), upright RGB, of any one size. Output `probabilities`:
    float32 (n, K). Resizing, cropping, standardisation, head, class weights and temperature are
    inside. The classes, in order, are in the metadata `class_names`, a JSON list.

    Of sounds they are `waves` and `mask`, float32 (n, t), for each rate and length that sources
    read; the metadata `inputs` says which. Of texts the inputs are `input_ids` and
    `attention_mask`, int64 (n, t), for each tokenizer; the metadata `inputs` says which file
    beside the graph makes which of them.

    Args:
        path: File to write.
        kept: The predictor.
        class_names: Names of the K classes.
        about: Further metadata.

    Returns:
        The largest difference in probability that was found.

    Raises:
        ExportError: If a package is missing, the predictor has no graph, the runtime cannot run
            it, its answers differ by more than `TOLERANCE`, or the file cannot be written.
    """
    if path.exists() and not path.is_file():  # before minutes of work
        raise ExportError(f"{path} is no file that can be replaced; name the file to write")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ExportError(f"{path} cannot be written: {folder} is no folder that can be written")
    _refuse_missing()
    graph, batches, inputs = _ready(kept, _source(kept))
    names = json.dumps(list(class_names), ensure_ascii=False)
    program = _program(graph, inputs[0])
    program.model.metadata_props.update({**about, "class_names": names, **_told(graph, path)})
    with _written(path) as temporary:
        program.save(str(temporary))
        found = _difference(temporary, graph, batches, inputs)
        for file in graph.files if isinstance(graph, TextGraph) else ():
            write_whole(file.beside(path), file.content)
        return found


def _ready(
    kept: Checkpoint, source: Source
) -> tuple[CheckpointGraph, Sequence[ImageSet], Sequence[Mapping[str, NDArray[Any]]]]:
    """Return the graph of a predictor, samples, and the same as the graph takes them."""
    if source.modality is Modality.TEXT:
        of_texts, texts = TextGraph(kept, source), sample_texts()
        parts = [texts.subset(rows) for rows in ([*range(3)], [3], [*range(5)])]
        return of_texts, parts, [_tokens(of_texts.files, part) for part in parts]
    if source.modality is Modality.SOUND:
        of_sounds, sounds = SoundGraph(kept, source), sample_sounds()
        return of_sounds, sounds, [fed(of_sounds.rules, batch) for batch in sounds]
    pixels = _samples(source)
    images = [ImageSet(ArrayReader(batch), np.arange(len(batch))) for batch in pixels]
    return CheckpointGraph(kept, source), images, [{INPUT: batch} for batch in pixels]


def _told(graph: CheckpointGraph, path: Path) -> dict[str, str]:
    """Return what the metadata of a graph says of its inputs."""
    if isinstance(graph, TextGraph):
        return {INPUTS: told_inputs(graph.files, path)}
    return {INPUTS: told_reading(graph.rules)} if isinstance(graph, SoundGraph) else {}


def _tokens(files: Sequence[TokenFile], texts: ImageSet) -> dict[str, NDArray[np.int64]]:
    given = texts_of(texts)
    return {
        name: array
        for file in files
        for name, array in zip(file.inputs, file.tokens(given), strict=True)
    }


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Yield the file that becomes `path` if the block ends well.

    Raises:
        ExportError: If it cannot be written.
    """
    try:
        with written_whole(path) as temporary:
            yield temporary
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error})") from error


def _refuse_missing() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"the export needs {', '.join(missing)}, which is not installed: "
            "pip install 'autotransfer[onnx]'"
        )


def _source(kept: Checkpoint) -> Source:
    if kept.source is None:
        raise ExportError(
            f"the selection returned the baseline {kept.strategy!r}, which reads no network and "
            "has no graph; predict with autotransfer instead"
        )
    if kept.source.modality not in (Modality.IMAGE, Modality.TEXT, Modality.SOUND):
        raise ExportError(
            f"the selection reads {kept.source.modality.plural}, and only graphs for images, "
            "texts and sounds are written; predict with autotransfer, or serve it with MLflow"
        )
    return kept.source


def _program(graph: CheckpointGraph, inputs: Mapping[str, NDArray[Any]]) -> Any:
    """Return what torch makes of the graph; all sizes but channels may be others later.

    Args:
        graph: What is written.
        inputs: An example of each, by name.
    """
    graph.eval()
    given = tuple(map(torch.from_numpy, inputs.values()))
    n, *sizes = (Dim.DYNAMIC for _ in range(3))
    shapes = [dict(enumerate((n, *sizes)[: min(x.ndim, 3)])) for x in given]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            graph(*given)  # loads the networks, so that they are part of the module
            return torch.onnx.export(
                graph,
                given,
                dynamo=True,
                dynamic_shapes=(tuple(shapes),),
                input_names=list(inputs),
                output_names=[OUTPUT],
                opset_version=OPSET,
                verbose=False,
            )
    except AutotransferError as error:
        raise ExportError(
            f"the strategy {graph.kept.strategy!r} cannot be exported: {error}"
        ) from error
    except Exception as error:
        raise ExportError(
            f"torch cannot write this network as ONNX ({_reason(error)}); predict with "
            "autotransfer, or fit with another source"
        ) from error


def _samples(source: Source) -> list[NDArray[np.uint8]]:
    """Return batches (2, h, w, 3) of smooth noise, large, small and long."""
    rng = np.random.default_rng(0)
    batches = []
    for tall, wide in _SIZES:
        assert isinstance(source.preprocessing, Preprocessing)
        side = source.preprocessing.input_size
        height, width = (max(int(x * side) + 1, 8) for x in (tall, wide))
        coarse = rng.random((2, 8, 8, 3))
        rows = np.linspace(0, 7, height).round().astype(int)
        columns = np.linspace(0, 7, width).round().astype(int)
        noise = 0.3 * rng.random((2, height, width, 3))
        blocks = 0.7 * coarse[:, rows][:, :, columns]
        batches.append(np.round(255 * (blocks + noise)).astype(np.uint8))
    return batches


def _difference(
    path: Path,
    graph: CheckpointGraph,
    batches: Sequence[ImageSet],
    inputs: Sequence[Mapping[str, NDArray[Any]]],
) -> float:
    """Return the largest difference between the graph and the predictor."""
    kept, source = graph.kept, graph.source
    with tempfile.TemporaryDirectory() as cache:  # the samples are nobody's items
        readers = FeatureReaders(
            FeatureStore(Path(cache)), PixelStore(_PIXEL_BYTES), load_backbone, torch.device("cpu")
        )
        ours = [kept.predict(batch, readers[source]) for batch in batches]
    theirs = run_onnx(path, inputs)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"the exported graph differs from the selection by {difference:.2g} in probability, "
            f"more than {TOLERANCE:g}; nothing was written; choose "
            f"another source than {source.name!r} ({source.architecture}), or report the fault"
        )
    return difference


def run_onnx(
    path: Path, batches: Sequence[NDArray[np.uint8] | Mapping[str, NDArray[Any]]]
) -> list[NDArray[np.float32]]:
    """Return the (n, K) probabilities that the runtime finds for batches of items.

    Args:
        path: The graph.
        batches: Images, or arrays by the names of the inputs.

    Raises:
        ExportError: If the runtime cannot run the file.
    """
    runtime = importlib.import_module("onnxruntime")  # not at the top: it is not always there
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        given = [dict(b) if isinstance(b, Mapping) else {INPUT: b} for b in batches]
        return [session.run([OUTPUT], inputs)[0] for inputs in given]
    except Exception as error:
        reason = _reason(error)
        raise ExportError(f"onnxruntime cannot run the exported graph ({reason})") from error


def _reason(error: BaseException) -> str:
    """Return the first line of what was raised first."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
