from __future__ import annotations

from pathlib import Path

from autotransfer.plugin.testing import Workbench
from autotransfer_source_stacking import SourceStacking


def test_one_picture_a_class_counts_every_source_the_same(tmp_path: Path) -> None:
    bench = Workbench(SourceStacking(), tmp_path)
    task = bench.task(2, 1)
    found = bench.fit(task)
    assert found.state()[1]["weights"] == [0.5, 0.5]
    assert found.predict(task.train, task.features).shape == (2, 2)
