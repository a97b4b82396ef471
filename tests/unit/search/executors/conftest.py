from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.search.cross_validation import LabelledContext

PLUGIN = '''
"""A strategy that does what its parameter says: dies, hangs, raises, or answers class shares."""
import os, signal, sys, time
from pathlib import Path
import numpy as np  # noqa: E402
import torch
from autotransfer.plugin import SearchSpace, Strategy, heads, hookimpl, parameters


class Moody(Strategy):
    name = "moody"
    trains = False

    def space(self, task):
        moods = ("good", "dies", "dies once", "hangs", "exits", "nan", "rows", "greedy")
        return SearchSpace.of(mood=parameters.choice(moods, default="good"))

    def fit(self, task, trial):
        mood = trial.params["mood"]
        mark = Path(os.environ.get("MOODY_MARK", "mark"))
        if mood == "dies" or (mood == "dies once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "hangs":
            time.sleep(3600)
        if mood == "exits":
            sys.exit(5)
        if mood == "greedy":
            np.empty(1 << 60)
        x = task.features(task.train)
        head = heads.fit_ridge(x, task.train.labels, len(task.class_names))
        predictor = heads.HeadPredictor(head, task.features.num_stages)
        if mood in ("nan", "rows"):
            wrong = float("nan") if mood == "nan" else 2.0
            class Wrong(heads.HeadPredictor):
                def predict(self, images, features):
                    return wrong * heads.HeadPredictor.predict(self, images, features)
            predictor = Wrong(head, task.features.num_stages)
        return predictor

    def restore(self, tensors, info, source):
        return heads.restore_head(tensors, info)


@hookimpl
def autotransfer_strategies():
    return [Moody()]
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plugin file with the strategy `moody`."""
    path = tmp_path / f"moody_{tmp_path.name}.py"  # a module of its own for every test
    path.write_text(PLUGIN, encoding="utf-8")
    return path


@pytest.fixture
def context(tmp_path: Path) -> LabelledContext:
    """Twelve items in one fold."""
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    readers = tiny_readers(tmp_path / "cache")
    source = tiny_source()
    return LabelledContext(
        shapes(2, 6), (fold,), None, readers, metric_named("accuracy"), shortlist=(source,)
    )
