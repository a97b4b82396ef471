"""The champion of the registry, over three fits of feature matrices on the same held-out items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

import autotransfer

pytestmark = pytest.mark.usefixtures("brief_report")


@pytest.mark.slow
def test_the_champion_moves_to_a_better_model_and_stays_before_a_worse_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, tested = np.arange(60) % 2, np.arange(200) % 2

    def features(truth: np.ndarray) -> dict[str, np.ndarray]:
        noise = rng.standard_normal((len(truth), 8))
        signal = noise.copy()
        signal[:, 0] += 6 * truth
        return {"noise": noise, "signal": signal}

    train, test = features(labels), features(tested)

    def registered(source: str, **options: Any) -> str:
        return autotransfer.fit_features(
            train,
            labels,
            test=(test, tested),
            source=(source,),
            strategies=("feature-extraction",),
            budget="1 trials",
            register="sounds",
            **options,
        ).registered

    assert "version 1 is champion: there was none before" in registered("noise")
    better = registered("signal")
    assert "version 2 is champion: not shown to be worse: on 200 held-out items" in better
    worse = registered("noise", seed=1)
    assert "version 3 is registered, version 2 stays champion: it may be worse" in worse
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert client.get_model_version_by_alias("sounds", "champion").version == 2
    assert client.get_model_version("sounds", "3").tags["champion"] == worse
