"""The obvious competes in every fit: named, kept, saved, exported, resumed and limited."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest
from mlflow import MlflowClient

import autotransfer
from autotransfer import orchestrator
from autotransfer.cli import run
from autotransfer.models.catalogue import resolve_sources
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import Outcome
from autotransfer.scenarios import candidates
from autotransfer.search import finalists
from autotransfer.search.choice import Choice, Terms
from autotransfer.search.pool import OBVIOUS as OF_ALL
from autotransfer.selection.export.exporting import TOLERANCE, run_onnx
from autotransfer.selection.selection import Selection
from autotransfer.tracking.places import OFF

PICTURES = shapes(12, 4, seed=1)  # so many directions that the sources differ in what they see
NEW = shapes(12, 1, seed=2)
NAMES = ["tiny-0", "tiny-1", "tiny-2"]
SOURCES = [tiny_source(name, seed=seed) for seed, name in enumerate(NAMES)]
OBVIOUS = ["default-probe", "mixture-of-probes", "mean-of-probes"]


def _fit(**options: Any) -> Selection:
    scenarios: dict[str, Any] = {
        "sources": SOURCES,
        "space": "quick",
        "budget": autotransfer.Budget(trials=1),
        "guard": False,  # networks with random weights would lose to classical pixels
        "device": "cpu",
    }
    return autotransfer.fit(PICTURES, **(scenarios | options))


def _incumbent(*arguments: Any) -> Choice:
    terms: Terms = arguments[-1]
    return Choice({terms.obvious[0]: 1.0}, incumbent=terms.obvious[0])


def _refuse(*_: Any) -> NoReturn:
    raise AssertionError("features of all sources were read")


def _first(outcomes: Sequence[Outcome]) -> list[tuple[int, str]]:
    """Return number and strategy of what came before the search."""
    return [(o.number, o.strategy) for o in outcomes if o.strategy in OBVIOUS]


class Found(NamedTuple):
    """A fit in which nothing replaced the obvious, and its workspace."""

    selection: Selection
    workspace: Path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Found:
    """One fit that returned the mixture."""
    workspace = tmp_path_factory.mktemp("obvious")
    shutil.copy(mlflow_database, workspace / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(workspace / "cache"))
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.chdir(workspace)
        patch.setattr(finalists, "choose", _incumbent)
        return Found(_fit(name="mixed", workspace=workspace), workspace)


def test_every_source_is_a_member_with_its_weight(found: Found) -> None:
    members = found.selection.record.members
    assert {member.source for member in members} == set(NAMES)
    assert {member.strategy for member in members} == {"probe"}
    weights = [member.weight for member in members]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == sorted(weights, reverse=True)
    assert weights[0] - weights[-1] > 0.02
    stages = {member.layers.stage for member in members if member.layers is not None}
    assert stages == {found.selection.best.layers.stage}  # type: ignore[union-attr]


def test_it_is_tried_before_the_search_and_is_the_finalist(found: Found) -> None:
    assert _first(found.selection.outcomes) == list(zip((-1, -2, -3), OBVIOUS, strict=True))
    assert found.selection.outcomes[:3] == tuple(
        o for o in found.selection.outcomes if o.strategy in OBVIOUS
    )
    assert found.selection.best.strategy == "mixture-of-probes"


def test_the_members_are_named_wherever_the_answer_is(
    found: Found, capsys: pytest.CaptureFixture[str]
) -> None:
    members = found.selection.record.members
    assert run(["show", str(found.workspace / "mixed"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["members"]
    assert [(m["source"], m["strategy"], m["weight"]) for m in told] == [
        (m.source, m.strategy, m.weight) for m in members
    ]
    assert [m["layers"]["stage"] for m in told] == [m.layers.stage for m in members if m.layers]
    assert run(["show", str(found.workspace / "mixed")]) == 0
    text = capsys.readouterr().out
    report = (found.workspace / "mixed" / "report.html").read_text(encoding="utf-8")
    client = MlflowClient(f"sqlite:///{found.workspace / 'mlflow.db'}")
    assert found.selection.record.run_id is not None
    tag = client.get_run(found.selection.record.run_id).data.tags["members"]
    for member in members:
        assert f"{member.weight:.2f}  {member.source} | probe" in text
        assert f"{member.weight:.3f}" in report
        assert f"{member.weight:.2f} {member.source}" in tag
    assert "The finalist is put together of" in report


def test_it_is_saved_and_loaded(found: Found) -> None:
    again = autotransfer.load(found.workspace / "mixed")
    np.testing.assert_allclose(
        again.predict_proba(NEW), found.selection.predict_proba(NEW), atol=1e-6
    )
    assert again.record.members == found.selection.record.members
    assert again.kept.members == found.selection.record.members


@pytest.mark.nightly  # test_exporting.py has each predictor
def test_it_is_exported_as_one_graph(found: Found, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "mixed.onnx"
    assert run(["export", str(found.workspace / "mixed"), str(path)]) == 0
    batch = np.stack([np.asarray(NEW[i]) for i in range(len(NEW))])
    ours = found.selection.predict_proba(batch)
    assert np.abs(run_onnx(path, [batch])[0] - ours).max() <= TOLERANCE


def test_as_a_source_it_is_the_network_with_the_greatest_weight(found: Found) -> None:
    (source,) = resolve_sources(str(found.workspace / "mixed")).sources
    heaviest = found.selection.record.members[0].source
    assert source.fingerprint == next(s for s in SOURCES if s.name == heaviest).fingerprint
    assert source.seen == ()


def test_the_checkpoints_of_the_obvious_stay(found: Found) -> None:
    # among dozens of probes that are no worse, of which three are kept
    kept = {path.name for path in (found.workspace / "mixed" / "trials").iterdir()}
    assert {"-0001", "-0002", "-0003"} <= kept
    assert len(found.selection.outcomes) > len(kept)


def test_a_resumed_fit_does_not_try_it_again(found: Found, tmp_path: Path) -> None:
    workspace = shutil.copytree(found.workspace, tmp_path / "again")
    longer = _fit(
        name="mixed", workspace=workspace, resume=True, budget=autotransfer.Budget(trials=2)
    )
    before = found.selection.outcomes
    assert longer.outcomes[: len(before)] == before
    assert _first(longer.outcomes) == _first(before)


def test_without_training_again_the_checkpoint_is_returned(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finalists, "choose", _incumbent)
    selection = _fit(refit=False, tracking_uri=OFF)
    assert {member.source for member in selection.record.members} == set(NAMES)
    proba, again = (s.predict_proba(NEW) for s in (selection, found.selection))
    assert not np.allclose(proba, again)  # it learnt from the first fold alone


def test_a_single_source_is_read_where_the_user_wants_one() -> None:
    selection = _fit(single=True, tracking_uri=OFF)
    assert _first(selection.outcomes) == [(-1, "default-probe")]
    assert len(selection.record.members) == 1
    assert selection.kept.predictor.companions == ()


def test_under_a_limit_as_many_sources_as_fit_are_put_together(tmp_path: Path) -> None:
    size = tiny_readers(tmp_path / "sizes")[SOURCES[0]].layout.megabytes
    selection = _fit(max_mb=2.5 * size, tracking_uri=OFF)
    (mixture,) = (o for o in selection.outcomes if o.strategy == "mixture-of-probes")
    assert mixture.value is not None
    assert not mixture.unfit
    assert len({member.source for member in selection.record.members}) <= 2
    small = _fit(max_mb=1.5 * size, tracking_uri=OFF, name="small")
    assert _first(small.outcomes) == [(-1, "default-probe")]
    assert len(small.record.members) == 1


def test_strategies_that_are_named_leave_it_out_and_nothing_is_read_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candidates, "read_all", _refuse)
    selection = _fit(strategies=["feature-extraction"], tracking_uri=OFF)
    assert _first(selection.outcomes) == []


@pytest.mark.parametrize("how", ["named alone", "nothing else may be tried"])
def test_a_fit_can_do_without_any_other_candidate(how: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"strategies": ["mean-of-probes"]}
    if how == "nothing else may be tried":
        (tmp_path / "space.toml").write_text('strategies = ["multi-task"]', encoding="utf-8")
        options = {"space": str(tmp_path / "space.toml")}
    selection = _fit(tracking_uri=OFF, **options)
    wanted = ["mean-of-probes"] if how == "named alone" else OBVIOUS
    assert [o.strategy for o in selection.outcomes] == wanted
    assert {member.source for member in selection.record.members} == set(NAMES)


def test_sources_that_there_was_no_time_to_rank_are_put_together_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orchestrator, "RANK_SHARE", 0.0)
    selection = _fit(
        strategies=["mean-of-probes"], budget=autotransfer.Budget(seconds=60), tracking_uri=OFF
    )
    assert len(selection.ranking.rows) < len(NAMES)
    assert {member.source for member in selection.record.members} == set(NAMES)


def test_sources_without_time_to_be_read_are_named_and_the_default_one_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orchestrator, "RANK_SHARE", 0.0)
    monkeypatch.setattr(candidates, "POOL_SHARE", 0.0)
    selection = _fit(budget=autotransfer.Budget(seconds=60, trials=1), tracking_uri=OFF)
    assert _first(selection.outcomes) == [(-1, "default-probe")]
    unread = [skip for skip in selection.record.skipped if skip.strategy == OF_ALL]
    assert {skip.source for skip in unread} == set(NAMES[1:])
    assert all("no time was left to read its features of 48" in s.reason for s in unread)


def test_a_second_is_enough_for_an_answer() -> None:
    selection = _fit(budget=autotransfer.Budget(seconds=1), tracking_uri=OFF)
    assert _first(selection.outcomes)[0] == (-1, "default-probe")
    assert selection.predict_proba(NEW).shape == (12, 12)


def test_class_weights_and_log_loss_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finalists, "choose", _incumbent)
    few = PICTURES.subset([i for i in range(len(PICTURES)) if i % 4 < 2 or i < 24])
    options: dict[str, Any] = {
        "metric": "log_loss",
        "class_weights": "balanced",
        "tracking_uri": OFF,
    }
    selection = autotransfer.fit(
        few, sources=SOURCES, space="quick", budget="1 trials", guard=False, **options
    )
    four = [f"direction {label}" for label in range(6)]
    wanted = [0.75 if name in four else 1.5 for name in few.class_names]
    assert selection.kept.class_weights == pytest.approx(wanted)
    assert {member.source for member in selection.record.members} == set(NAMES)
    (mixture,) = (o for o in selection.outcomes if o.strategy == "mixture-of-probes")
    assert mixture.value == pytest.approx(-mixture.log_loss)  # type: ignore[operator]


def test_features_that_were_given_are_put_together_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finalists, "choose", _incumbent)
    rng = np.random.default_rng(0)
    topic = np.arange(60) % 3
    features = {
        name: rng.normal(size=(60, 8)) + 2 * np.eye(8)[topic + shift]
        for shift, name in enumerate(("words", "sound", "layout"))
    }
    selection = autotransfer.fit_features(
        features, np.array(["a", "b", "c"])[topic], budget="1 trials", guard=False
    )
    assert {member.source for member in selection.record.members} == set(features)
    again = autotransfer.load(selection.record.model)
    np.testing.assert_allclose(again.predict_proba(features), selection.predict_proba(features))
