from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autotransfer.errors import DataWarning, OverrunError
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.registry import discover
from autotransfer.search.checkpoint import Checkpoint

KEPT = Checkpoint(
    MajorityPredictor(np.array([0.75, 0.25])), "majority", baseline=True, source=None
)
SAID = np.tile([0.75, 0.25], (3, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: np.save(entry / "predictions.npy", SAID[:, ::-1]),
        lambda entry: (entry / "predictor.json").write_text("[]"),
        lambda entry: (entry / "sha256.json").unlink(),
        lambda entry: (entry / "further.txt").write_text("x"),
    ],
)
def test_a_baseline_that_was_changed_is_trained_again(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    cache = BaselineCache(discover(files=[]), tmp_path / "cache")
    assert cache.get("a") is None
    cache.put("a", KEPT, SAID)
    found = cache.get("a")
    assert found is not None
    np.testing.assert_array_equal(found[1], SAID)
    (entry,) = (tmp_path / "cache" / "baselines").iterdir()
    change(entry)
    with pytest.warns(DataWarning, match="trained again"):
        assert cache.get("a") is None
    cache.put("a", KEPT, SAID)
    assert cache.get("a") is not None
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_deadline_that_ends_reading_a_baseline_leaves_it_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = BaselineCache(discover(files=[]), tmp_path)
    cache.put("a", KEPT, SAID)

    def ended(*_: object) -> None:
        raise OverrunError

    with monkeypatch.context() as patch:
        patch.setattr(BaselineCache, "_read", ended)
        with pytest.raises(OverrunError):
            cache.get("a")
    assert cache.get("a") is not None
