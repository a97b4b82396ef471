from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet

from autotransfer.problem import Setting
from autotransfer.strategy import Strategy
from autotransfer.testing import Workbench
from autotransfer_adaptation import autotransfer_strategies

STRATEGIES = [s for s in autotransfer_strategies() if Setting.UNLABELLED in s.settings]
TRIED_ALWAYS = ("dann", "shot", "feature-transport")


def _param(strategy: Strategy) -> ParameterSet:
    """Return the strategy; those that share all code but the loss with another are slow."""
    marks = () if strategy.name in TRIED_ALWAYS else (pytest.mark.slow,)
    return pytest.param(strategy, id=strategy.name, marks=marks)


@pytest.mark.parametrize("strategy", [_param(strategy) for strategy in STRATEGIES])
def test_it_embeds_every_picture(strategy: Strategy, tmp_path: Path) -> None:
    bench = Workbench(strategy, tmp_path)
    task = bench.task()
    rows = bench.fit(task).embed(task.train, task.features)
    assert len(rows) == len(task.train)
    assert np.isfinite(rows).all()
