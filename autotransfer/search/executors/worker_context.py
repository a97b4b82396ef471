"""What a worker needs to run trials of a fit: plain records, no live object of the driver.

A strategy and a source go by name; a worker looks the strategy up among its own plugins, opens
the same feature cache, and sends back what the trained predictor's `state()` says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore, default_folder
from autotransfer.models.features import FeatureReaders
from autotransfer.models.precomputed_features import MatrixReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry, discover
from autotransfer.results import Json, ParamValue
from autotransfer.search.executors.image_spool import packed, remove_spool, spool_folder
from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec


@dataclass(frozen=True)
class TrialRequest:
    """A `TrialSpec` for a worker: the strategy by its name, the deadline in seconds from now.

    Clocks of two machines do not compare.
    """

    number: int
    source: Source
    strategy: str
    params: Mapping[str, ParamValue]
    seed: int
    seconds: float | None
    rivals: tuple[NDArray[np.float32] | None, ...]

    @classmethod
    def of(cls, spec: TrialSpec) -> TrialRequest:
        """Return the trial as a request."""
        seconds = None if spec.deadline is None else spec.deadline - time.monotonic()
        return cls(
            spec.number,
            spec.source,
            spec.strategy.name,
            dict(spec.params),
            spec.seed,
            seconds,
            tuple(spec.rivals),
        )


@dataclass(frozen=True)
class TrialResponse:
    """What a worker sends back.

    Args:
        left: How the trial ended, without its predictor.
        tensors: The predictor's tensors as safetensors; None where there is no predictor.
    """

    left: TrialResult
    tensors: bytes | None
    info: Mapping[str, Json]

    @classmethod
    def of(cls, result: TrialResult) -> TrialResponse:
        """Return a result as an answer; what was pruned sends no predictor."""
        tensors: bytes | None = None
        info: dict[str, Json] = {}
        if result.predictor is not None and result.validation is not None:
            state, info = result.predictor.state()
            tensors = safetensors.torch.save({k: t.contiguous() for k, t in state.items()})
        return cls(replace(result, predictor=None), tensors, info)

    def result(self, spec: TrialSpec) -> TrialResult:
        """Return the response as the result of the trial."""
        if self.tensors is None:
            return self.left
        tensors = safetensors.torch.load(self.tensors)
        return replace(self.left, predictor=spec.strategy.restore(tensors, self.info, spec.source))


@dataclass(frozen=True)
class WorkerContext:
    """The context of a fit, as records that a new process can open.

    Args:
        kind: Class of the context: each scenario may have its own.
        fields: Its fields but the readers; items lie where every worker can open them.
        matrices: The readers themselves where features were given; else None.
        memory_bytes: What one worker may keep in memory.
        spool: Folder of copied items, deleted at the end.
    """

    kind: type[TrialContext]
    fields: Mapping[str, Any]
    device: str
    matrices: MatrixReaders | None
    plugins: tuple[str, ...]
    cache: Path
    memory_bytes: int
    spool: Path

    @classmethod
    def of(
        cls, context: TrialContext, plugins: Sequence[str | Path], memory_bytes: int
    ) -> WorkerContext:
        """Return the context as a worker context; items in archives are copied out of them."""
        cache = default_folder()
        spool = spool_folder(cache)
        parts = {
            part.name: _portable(getattr(context, part.name), spool)
            for part in fields(cast(Any, context))  # every context is a dataclass
            if part.name != "readers"
        }
        given = context.readers if isinstance(context.readers, MatrixReaders) else None
        return cls(
            type(context),
            parts,
            context.readers.device.type,
            given,
            tuple(str(Path(plugin).resolve()) for plugin in plugins),
            cache,
            memory_bytes,
            spool,
        )

    def share(self, workers: int) -> WorkerContext:
        """Return the worker context with the memory of one of so many workers."""
        return replace(self, memory_bytes=self.memory_bytes // workers)

    def remove(self) -> None:
        """Delete the copies."""
        remove_spool(self.spool)


def _portable(value: Any, spool: Path) -> Any:
    """Return a field of a context with every set of items in it packed."""
    if isinstance(value, ImageSet):
        return packed(value, spool)
    if isinstance(value, tuple):
        return tuple(_portable(item, spool) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        held = {part.name: getattr(value, part.name) for part in fields(value) if part.init}
        sent = {name: _portable(item, spool) for name, item in held.items()}
        changed = {name: item for name, item in sent.items() if item is not held[name]}
        return replace(value, **changed) if changed else value
    return value


class Worker:
    """An opened context in a worker: runs one request after the other."""

    def __init__(self, worker_context: WorkerContext) -> None:
        # first: a plugin file may register the architectures of the sources
        self._registry: Registry = discover(files=[Path(p) for p in worker_context.plugins])
        readers = worker_context.matrices or FeatureReaders(
            FeatureStore(worker_context.cache),
            PixelStore(worker_context.memory_bytes // 2),
            load_backbone,
            torch.device(worker_context.device),
            worker_context.memory_bytes // 2,
        )
        kind = cast(Any, worker_context.kind)
        self._context: TrialContext = kind(**worker_context.fields, readers=readers)

    def pid(self) -> int:
        """Return the id of its process."""
        return os.getpid()

    def run(self, request: TrialRequest) -> TrialResponse:
        """Run one trial."""
        spec = TrialSpec(
            request.number,
            request.source,
            self._registry.strategy(request.strategy),
            request.params,
            request.seed,
            None if request.seconds is None else time.monotonic() + request.seconds,
            request.rivals,
        )
        return TrialResponse.of(self._context.run(spec))
