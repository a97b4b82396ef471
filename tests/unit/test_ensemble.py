from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.ensemble import ENSEMBLE, EnsemblePredictor, Member
from autotransfer.problem import ParamValue
from autotransfer.registry import discover
from autotransfer.saved_predictor import Kept, read_kept, write_kept
from autotransfer.strategy import Task, Trial
from autotransfer.testing import shapes, tiny_source, tiny_task


def _trained(task: Task, strategy: str, **params: ParamValue) -> Member:
    found = discover().strategy(strategy)
    point = {**found.space(task.info).defaults(), **params}
    trial = Trial(point, lambda _progress, _predictor: None, None, 0)
    return Member(strategy, task.source, 1, found.fit(task, trial))


def test_members_of_several_sources_come_back_from_disk(tmp_path: Path) -> None:
    first = tiny_task(tmp_path / "cache")
    other = tiny_source("other", seed=1)
    second = replace(first, source=other, features=first.features.of(other))
    stacked = replace(first, companions=(other, tiny_source("third", seed=2)))
    members = (
        _trained(first, "feature-extraction"),
        replace(_trained(second, "fine-tune", epochs=1), weight=2),
        _trained(stacked, "source-stacking"),
    )
    predictor = EnsemblePredictor(members)
    images = shapes(3, 4, seed=9)
    wanted = predictor.predict(images, first.features)
    parts = [
        m.predictor.predict(images, first.features.of(m.source))
        for m in members
        if m.source is not None
    ]
    np.testing.assert_allclose(wanted, (parts[0] + 2 * parts[1] + parts[2]) / 4)

    kept = Kept(predictor, ENSEMBLE, baseline=False, source=first.source)
    write_kept(tmp_path / "kept", kept)
    found = read_kept(tmp_path / "kept", discover())
    assert found.source is not None
    assert [s.name for s in found.predictor.companions] == [s.name for s in predictor.companions]
    again = found.predictor.predict(images, first.features.of(found.source))
    np.testing.assert_allclose(again, wanted, atol=1e-6)


def test_the_composition_names_every_source_with_its_share(tmp_path: Path) -> None:
    first = tiny_task(tmp_path / "cache")
    other = tiny_source("other", seed=1)
    fused = _trained(replace(first, companions=(other,)), "mean-of-probes")
    plain = _trained(replace(first, source=other), "feature-extraction")
    predictor = EnsemblePredictor((replace(fused, weight=3), plain))
    found = [(share.source, share.strategy, share.weight) for share in predictor.composition]
    # three quarters, half of it each, and the quarter of the second member
    assert found == [
        ("tiny", "probe", pytest.approx(3 / 8)),
        ("other", "probe", pytest.approx(3 / 8)),
        ("other", "feature-extraction", pytest.approx(1 / 4)),
    ]
