"""Features of the pools, computed once: every source reads every image, all stages in one pass.

Kept as float16 below a folder, one file for each pool and source. Networks run as the project
runs frozen ones, batch norms folded, but through onnxruntime, which takes half the time and says
the same to six digits.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Geometry, PixelStore, standardise, to_channels
from autotransfer.guard.from_scratch import untrained_twin
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.folding import folded
from autotransfer.models.predictors.pixels import describe
from autotransfer.models.source import Source
from tests.benchmarks.transfer_cells import NO_SOURCE, PIXELS
from tests.benchmarks.transfer_targets import Ints, Pool, opened

BATCH, PIXEL_BYTES = 4, 1 << 30
CLOSE = 1e-3  # of the largest feature, between both ways to run a network

Stages = list[NDArray[np.float16]]


class _Stages(nn.Module):
    """A network that returns the pooled features of all stages."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.backbone.features(x).pooled)


def _session(network: nn.Module, sample: Tensor) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, on shapes
        path = str(Path(folder) / "network.onnx")
        with torch.no_grad():
            torch.onnx.export(
                network, (sample,), path, input_names=["x"], dynamo=False, dynamic_axes={"x": [0]}
            )
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Network:
    """A frozen source, ready to be run."""

    def __init__(self, source: Source) -> None:
        self.source = source
        stages = _Stages(folded(load_backbone(source))).eval()
        sample = stages.backbone.sample(BATCH).contiguous()
        self._session = _session(stages, sample)
        with torch.no_grad():
            expected = stages(sample)
        for found, wanted in zip(self._run(sample), expected, strict=True):
            if np.abs(found - wanted.numpy()).max() > CLOSE * float(wanted.abs().max()):
                raise ValueError(f"{source.name}: onnxruntime says something else than torch")

    def _run(self, x: Tensor) -> list[NDArray[np.float32]]:
        found: list[NDArray[np.float32]] = self._session.run(None, {"x": x.numpy()})
        return found

    def __call__(self, images: ImageSet, pixels: PixelStore) -> Stages:
        """Return the (n, d) pooled features of each stage."""
        preprocessing = self.source.preprocessing
        decoded = pixels.get(images, Geometry.of(preprocessing))
        parts = []
        for begin in range(0, len(images), BATCH):
            x = standardise(decoded[begin : begin + BATCH], preprocessing)
            parts.append(self._run(to_channels(x, self.source.num_channels).contiguous()))
        return [halved(np.concatenate(stage)) for stage in zip(*parts, strict=True)]


def halved(x: NDArray[np.floating]) -> NDArray[np.float16]:
    """Return float16 values; those beyond its range become its largest."""
    most = float(np.finfo(np.float16).max)
    found: NDArray[np.float16] = np.clip(x, -most, most).astype(np.float16)
    return found


class Features:
    """The features of all pools below a folder.

    Args:
        folder: Where they are kept.
        kit: The kit.
        sources: The networks, the default one first.
    """

    def __init__(self, folder: Path, kit: Path, sources: Sequence[Source]) -> None:
        self._folder, self._kit, self.sources = folder, kit, sources
        self._networks: dict[str, Network] = {}

    def fill(self, pool: Pool) -> None:
        """Compute what is missing."""
        names = [*(source.name for source in self.sources), *NO_SOURCE]
        missing = [name for name in names if not self._place(pool, name).is_file()]
        if not missing:
            return
        sets, class_names = opened(pool, self._kit)
        parts = [images.subset(places) for images, places in sets]
        self._write(
            pool,
            "pool",
            {
                "labels": np.concatenate([part.labels for part in parts]),
                "class_names": np.array(class_names),
            },
        )
        pixels = PixelStore(PIXEL_BYTES)
        for name in missing:
            began = time.perf_counter()
            read = [self._read(name, part, pixels) for part in parts]
            stages = [np.concatenate(stage) for stage in zip(*read, strict=True)]
            seconds = time.perf_counter() - began
            self._write(pool, name, {f"stage {k}": x for k, x in enumerate(stages, 1)})
            sys.stderr.write(f"{pool.name}: {len(stages[0])} images, {name}, {seconds:.0f} s\n")

    def _read(self, name: str, images: ImageSet, pixels: PixelStore) -> Stages:
        if name in PIXELS:
            return [halved(describe(images, (name,))[name])]
        if name not in self._networks:
            source = next((s for s in self.sources if s.name == name), None)
            self._networks[name] = Network(source or untrained_twin(self.sources[0], 0))
        stages = self._networks[name](images, pixels)
        return stages[-1:] if name == "untrained" else stages

    def _place(self, pool: Pool, name: str) -> Path:
        return self._folder / "features" / pool.name / f"{name}.npz"

    def _write(self, pool: Pool, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        place = self._place(pool, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(place)

    def labels(self, pool: Pool) -> tuple[Ints, tuple[str, ...]]:
        """Return the (n,) classes of the images of a pool, and the names of the classes."""
        with np.load(self._place(pool, "pool")) as kept:
            return kept["labels"].astype(np.int64), tuple(kept["class_names"].tolist())

    def stages(self, pool: Pool, name: str) -> Stages:
        """Return the (n, d) features of each stage."""
        with np.load(self._place(pool, name)) as kept:
            return [kept[f"stage {k}"] for k in range(1, len(kept.files) + 1)]
