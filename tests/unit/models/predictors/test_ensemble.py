from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.data.target import open_images
from autotransfer.models.predictors.ensemble import ENSEMBLE, EnsemblePredictor, Member
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source, tiny_task
from autotransfer.results import ParamValue
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from tests.unit.told import told


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
        _trained(stacked, "mixture-of-probes"),
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

    kept = Checkpoint(predictor, ENSEMBLE, baseline=False, source=first.source)
    write_checkpoint(tmp_path / "kept", kept)
    found = read_checkpoint(tmp_path / "kept", discover())
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
    named = [(share.source, share.strategy) for share in predictor.composition]
    assert named == [("tiny", "probe"), ("other", "probe"), ("other", "feature-extraction")]
    # three quarters, half of it each, and the quarter of the second member
    weights = [share.weight for share in predictor.composition]
    assert weights == pytest.approx([3 / 8, 3 / 8, 1 / 4])


def test_members_count_by_weight_after_they_were_softened_in_the_graph_as_well() -> None:
    # nine to one, softened: three to one, twice; and one to three, once: (2 x 3/4 + 1/4) / 3
    images = shapes(2, 2)
    sure, other = (told(images, np.tile(row, (4, 1))) for row in ([0.9, 0.1], [0.25, 0.75]))
    members = (Member("a", None, 2, sure, temperature=2.0), Member("b", None, 1, other))
    together = EnsemblePredictor(members)
    expected = np.tile([7 / 12, 5 / 12], (4, 1))
    nothing: Any = None
    np.testing.assert_allclose(together.predict(images, nothing), expected)
    np.testing.assert_allclose(together.traced(nothing).numpy(), expected)


def test_members_that_read_one_network_at_two_sizes_keep_their_sizes(tmp_path: Path) -> None:
    small = tiny_task(tmp_path / "cache")
    enlarged = replace(small.source.preprocessing, input_size=48)
    source = replace(small.source, name="large", preprocessing=enlarged)
    large = replace(small, source=source, features=small.features.of(source))
    members = tuple(
        _trained(task, "feature-extraction", head="logistic") for task in (small, large)
    )
    predictor = EnsemblePredictor(members)
    assert [s.name for s in predictor.sources] == ["tiny", "large"]
    stored = [member["sources"] for member in predictor.state()[1]["members"]]
    assert stored == [[0], [1]]

    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
    images = open_images(noise)
    parts = [m.predictor.predict(images, small.features.of(m.source)) for m in members if m.source]
    assert np.abs(parts[0] - parts[1]).max() > 0.1
    write_checkpoint(
        tmp_path / "kept", Checkpoint(predictor, ENSEMBLE, baseline=False, source=small.source)
    )
    found = read_checkpoint(tmp_path / "kept", discover())
    assert found.source is not None
    again = found.predict(images, tiny_readers(tmp_path / "fresh")[found.source])
    np.testing.assert_allclose(again, (parts[0] + parts[1]) / 2, atol=1e-6)


def test_an_ensemble_that_an_older_version_kept_answers_as_it_did(tmp_path: Path) -> None:
    # it took two sizes of a network for one source: both members point to the same
    task = tiny_task(tmp_path / "cache")
    member = _trained(task, "feature-extraction", head="logistic")
    predictor = EnsemblePredictor((member, replace(member, weight=2)))
    write_checkpoint(
        tmp_path / "kept", Checkpoint(predictor, ENSEMBLE, baseline=False, source=task.source)
    )
    stored = json.loads((tmp_path / "kept" / "predictor.json").read_text(encoding="utf-8"))
    assert [member["sources"] for member in stored["info"]["members"]] == [[0], [0]]
    found = read_checkpoint(tmp_path / "kept", discover())
    images = shapes(3, 4, seed=9)
    assert found.source is not None
    again = found.predict(images, tiny_readers(tmp_path / "fresh")[found.source])
    wanted = member.predictor.predict(images, task.features)
    np.testing.assert_allclose(again, wanted, atol=1e-6)
