import numpy as np
import pytest
from nearest_mean import NearestMean

from autotransfer.plugin.testing import StrategyContract, Workbench


class TestNearestMean(StrategyContract):
    @pytest.fixture
    def strategy(self):
        return NearestMean()


def test_the_nearest_mean_wins(tmp_path):
    bench = Workbench(NearestMean(), tmp_path)
    task = bench.task()
    features = task.features(task.train).astype(float)
    means = np.stack([features[task.train.labels == k].mean(axis=0) for k in range(3)])
    nearest = ((features[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    found = bench.fit(task).predict(task.train, task.features)
    assert (found.argmax(axis=1) == nearest).all()
