from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.testing import shapes, tiny_readers
from autotransfer.search.cross_validation import LabelledContext


@pytest.fixture
def context(tmp_path: Path) -> LabelledContext:
    """Twelve items of two classes in a single fold."""
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    readers = tiny_readers(tmp_path / "cache")
    return LabelledContext(shapes(2, 6), (fold,), None, readers, metric_named("accuracy"))
