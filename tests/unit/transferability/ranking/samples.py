"""Sources with known scores."""

from __future__ import annotations

import numpy as np

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.models.source import Source, Untrained
from autotransfer.transferability.ranking.scoring import Scored


def source(name: str, *, architecture: str = "resnet18", **more: object) -> Source:
    return Source(name, architecture, Untrained(), Preprocessing(32), **more)  # type: ignore[arg-type]


def scored(
    name: str,
    accuracies: tuple[float, ...] = (0.5,),
    *,
    n: int = 100,
    seconds: float = 1.0,
    megabytes: float = 1.0,
    of: Source | None = None,
) -> Scored:
    """Return a source whose probe at each stage is right about the first so many pictures."""
    hits = np.stack([(np.arange(n) < round(share * n)).astype(float) for share in accuracies])
    features = np.zeros((n, 2), dtype=np.float32)
    return Scored(of or source(name), features, None, {}, hits, seconds, megabytes)
