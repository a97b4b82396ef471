from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray

import autotransfer
from autotransfer.data.target import open_target
from autotransfer.errors import DataWarning, InvalidOptionError, StudyExistsError
from autotransfer.guard.ledger import look
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.results import Decision, Outcome, State
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.finalists import Finalist, Finalists
from autotransfer.selection.selection import Selection

# Optuna tells its study from a sampler that is still marked experimental in places.
pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.usefixtures("warm_cache", "brief_report"),
]

FROZEN = {"strategies": ("feature-extraction",), "budget": autotransfer.Budget(trials=1)}


def _fit(target: Path, catalogue: Path, **options: Any) -> Selection:
    scenarios: dict[str, Any] = {
        "sources": catalogue,
        "budget": autotransfer.Budget(trials=5),
        "seed": 0,
    }
    return autotransfer.fit(target, **(scenarios | options))


@pytest.fixture(scope="module")
def workspace(
    written: Path, mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Where the fit was made that several tests look at."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    shutil.copy(written / "bars.npz", folder)
    return folder


@pytest.fixture(scope="module")
def fitted(workspace: Path, written: Path, _bars_cache: Path) -> Selection:
    """A fit of five trials, named "counted"."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        patch.setenv("AUTOTRANSFER_CACHE", str(_bars_cache))
        patch.chdir(workspace)
        catalogue = written / "sources" / "catalogue.toml"
        return _fit(workspace / "bars.npz", catalogue, name="counted")


def test_a_fit_ends_with_a_tested_verdict_and_a_predictor(fitted: Selection) -> None:
    verdict = fitted.verdict
    assert verdict.decision in set(Decision) - {Decision.UNVERIFIED}
    assert verdict.basis == "held-out items"
    assert verdict.gap is not None
    assert verdict.test is not None
    assert verdict.gap.n == 30
    names = {baseline.name for baseline in verdict.baselines}
    assert names - {"baselines-together"} == {
        *("majority", "classical-pixels", "untrained-features"),
        *("small-network", "from-scratch"),
    }
    rival = next(b.test for b in verdict.baselines if b.name == verdict.best_baseline)
    assert rival is not None
    assert verdict.gap.value == pytest.approx(verdict.test.value - rival)
    assert "the best you would have got without a source" in verdict.sentence
    assert {row.source for row in fitted.ranking.rows} == {"tiny-0", "tiny-1", "tiny-2"}
    finished = [
        o for o in fitted.outcomes if o.state in (State.COMPLETE, State.PRUNED) and not o.probe
    ]
    assert len(finished) == 5


def test_the_saved_model_predicts_the_same_in_a_fresh_process(
    fitted: Selection, workspace: Path, folder_target: Path
) -> None:
    here = fitted.predict_proba(str(folder_target))
    done = subprocess.run(
        [sys.executable, "-m", "autotransfer", "predict", "counted", str(folder_target), "--json"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)["predictions"]
    there = np.array([list(row["probabilities"].values()) for row in rows])
    np.testing.assert_allclose(there, here, atol=1e-6)
    assert [row["image"] for row in rows] == sorted(row["image"] for row in rows)
    assert rows[0]["class"] == fitted.class_names[int(here[0].argmax())]


def test_every_trial_is_a_child_run_of_the_fit(fitted: Selection, workspace: Path) -> None:
    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("autotransfer")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert [run.info.run_id for run in parents] == [fitted.record.run_id]
    study = optuna.load_study(
        study_name="counted", storage=f"sqlite:///{workspace / 'autotransfer.db'}"
    )
    with_outcome = [trial for trial in study.trials if "outcome" in trial.user_attrs]
    trials = [outcome for outcome in fitted.outcomes if not outcome.probe]
    assert len(children) == len(with_outcome) == len(trials)
    assert parents[0].data.tags["verdict"] == fitted.verdict.decision


def test_the_same_trials_and_seed_give_the_same_selection(
    fitted: Selection,
    target: Path,
    catalogue: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "another-cache"))
    second = _fit(target, catalogue, name="second")
    assert [(o.source, o.strategy, dict(o.params), o.value) for o in fitted.outcomes] == [
        (o.source, o.strategy, dict(o.params), o.value) for o in second.outcomes
    ]
    assert fitted.verdict == second.verdict or fitted.verdict.gap == second.verdict.gap
    assert fitted.best.params == second.best.params


def test_a_second_fit_on_frozen_features_does_no_forward_pass(
    target: Path,
    catalogue: Path,
    forward_passes: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "empty-cache"))
    _fit(target, catalogue, name="one", **FROZEN)
    before = forward_passes()
    assert before > 0
    _fit(target, catalogue, name="two", **FROZEN)
    assert forward_passes() == before


def test_a_resumed_study_keeps_its_trials_and_goes_on(target: Path, catalogue: Path) -> None:
    short = _fit(target, catalogue, name="resumed", budget=autotransfer.Budget(trials=2))
    longer = _fit(
        target, catalogue, name="resumed", resume=True, budget=autotransfer.Budget(trials=4)
    )
    assert longer.outcomes[: len(short.outcomes)] == short.outcomes
    counted = [
        o for o in longer.outcomes if o.state in (State.COMPLETE, State.PRUNED) and not o.probe
    ]
    assert len(counted) == 4
    points = [json.dumps([o.source, o.strategy, dict(o.params)]) for o in longer.outcomes]
    assert len(points) == len(set(points))


def test_resuming_with_other_pictures_is_refused(
    fitted: Selection,
    workspace: Path,
    catalogue: Path,
    folder_target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workspace)
    with pytest.raises(InvalidOptionError, match="other images"):
        _fit(folder_target, catalogue, name="counted", resume=True)


def test_an_existing_study_is_not_overwritten(
    fitted: Selection, workspace: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    with pytest.raises(StudyExistsError, match="--resume"):
        _fit(workspace / "bars.npz", catalogue, name="counted")


def test_with_few_pictures_and_no_test_split_none_is_given_up(
    folder_target: Path, catalogue: Path
) -> None:
    selection = _fit(folder_target, catalogue, budget=autotransfer.Budget(trials=2))
    verdict = selection.verdict
    assert verdict.basis == "out-of-fold"
    assert verdict.gap is not None
    assert verdict.gap.n == 42  # every image is tested
    complete = [o for o in selection.outcomes if o.state is State.COMPLETE]
    assert verdict.competed == len(complete) >= 2
    assert len(selection.kept.seen) == 42  # and what is returned has learnt from every one
    # the largest gap of a trial, less the four or so standard errors that many trials cost: of a
    # difference of two accuracies on 42 images one is at most 1 / root 42
    best = next(b.test for b in verdict.baselines if b.name == verdict.best_baseline)
    assert best is not None
    assert verdict.competition_bound is not None
    largest = max(o.value for o in complete if o.value is not None) - best
    assert largest - 5 / 42**0.5 < verdict.competition_bound <= largest + 1e-9
    folder = Path(selection.record.model)
    assert autotransfer.load(folder).kept.seen == selection.kept.seen


def test_pictures_that_have_tested_another_model_are_a_second_look(
    target: Path, catalogue: Path, tmp_path: Path
) -> None:
    first = _fit(target, catalogue, name="a", **FROZEN)
    again = _fit(target, catalogue, name="b", **FROZEN)
    assert first.verdict.looks == again.verdict.looks == 1  # the same answers are no new look
    sealed = open_target(target).held_out
    assert sealed is not None
    look(tmp_path / "autotransfer.db", sealed.digests, np.full(30, 2), "another model")
    later = _fit(target, catalogue, name="c", **FROZEN)
    assert later.verdict.looks == 2
    assert any("have tested 1 other model" in remark for remark in later.verdict.remarks)


def test_no_refit_returns_the_checkpoint_of_the_search(target: Path, catalogue: Path) -> None:
    selection = _fit(target, catalogue, refit=False, budget=autotransfer.Budget(trials=1))
    assert selection.predict_proba(target).shape == (66, 3)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1_macro", "log_loss"])
def test_other_metrics_go_the_same_way(target: Path, catalogue: Path, metric: str) -> None:
    selection = _fit(target, catalogue, metric=metric, budget=autotransfer.Budget(trials=1))
    assert selection.record.metric == metric
    verdict = selection.verdict
    assert verdict.gap is not None
    assert verdict.test is not None
    best = max(baseline.test for baseline in verdict.baselines if baseline.test is not None)
    assert verdict.gap.value == pytest.approx(verdict.test.value - best)


def test_source_pictures_reach_the_strategies_that_need_them_and_never_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))
    pictures = shapes(2, 24, seed=1)
    with pytest.warns(DataWarning, match=r"^8 source image"):
        selection = autotransfer.fit(
            pictures.subset(range(28)),
            source_data=pictures.subset(range(20, 48)),
            sources=[tiny_source()],
            strategies=["instance-weighting", "multi-task"],
            budget="2 trials",
        )
    assert {outcome.strategy for outcome in selection.outcomes} == {
        "instance-weighting",
        "multi-task",
    }
    assert all(outcome.value is not None for outcome in selection.outcomes), selection.outcomes


def test_what_cannot_be_tried_is_listed_with_the_reason_and_naming_opens_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))
    few = shapes(2, 4, seed=1)
    first = autotransfer.fit(few, sources=[tiny_source()], budget="1 trials", name="first")
    reasons = {skip.strategy: skip.reason for skip in first.skipped}
    assert "--strategy fine-tune tries it anyway" in reasons["fine-tune"]
    assert "--source-data PATH" in reasons["multi-task"]
    second = autotransfer.fit(
        few, sources=[tiny_source()], strategies=["fine-tune"], budget="1 trials", name="second"
    )
    assert second.outcomes[0].strategy == "fine-tune"


def test_an_ensemble_that_gains_enough_is_the_finalist(
    target: Path,
    catalogue: Path,
    tmp_path: Path,
    folder_target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # on so few images nothing gains a standard error: the two best are taken all the same
    from autotransfer.search import finalists
    from autotransfer.search.choice import Choice, Terms

    def both(
        predictions: dict[int, object], _folds: object, _labels: object, terms: Terms
    ) -> Choice:
        first, second = list(predictions)[:2]
        if not terms.combine:
            return Choice({first: 1.0})
        return Choice({first: 2 / 3, second: 1 / 3}, {first: 1.0, second: 1.0}, gain=0.2)

    answers: list[list[NDArray[np.float64]]] = []
    between = shapes(6, 6, seed=5)  # three directions lie between those that were learnt

    def trained(made: Finalists, finalist: Finalist, outcomes: Sequence[Outcome]) -> Checkpoint:
        """Note what the ensemble says, and what each member says by itself."""
        kept = train(made, finalist, outcomes)
        by_number = {outcome.number: outcome for outcome in outcomes}
        alone = [Finalist(by_number[n], Choice({n: 1.0})) for n in finalist.choice.weights]
        found = [kept, *(train(made, one, outcomes) for one in alone)]
        answers.append(
            [k.predictor.predict(between, made.context.reader_of(k.source)) for k in found]
        )
        return kept

    train = Finalists.train
    monkeypatch.setattr(finalists, "choose", both)
    monkeypatch.setattr(Finalists, "train", trained)
    selection = _fit(target, catalogue, out=tmp_path / "model", **FROZEN)
    finalist = selection.record.finalist
    assert finalist.strategy == "ensemble"
    assert finalist.number not in {outcome.number for outcome in selection.outcomes}
    ((together, twice, once),) = answers
    assert not np.allclose(twice, once, atol=0.01)
    np.testing.assert_allclose(together, (2 * twice + once) / 3, atol=1e-6)
    again = autotransfer.load(tmp_path / "model")
    np.testing.assert_allclose(
        again.predict_proba(str(folder_target)),
        selection.predict_proba(str(folder_target)),
        atol=1e-6,
    )
    plain = _fit(target, catalogue, ensemble=False, name="plain", **FROZEN)
    assert plain.record.finalist.strategy == "feature-extraction"


def test_balanced_class_weights_reach_the_search_the_test_and_what_is_returned(
    folder_target: Path, catalogue: Path
) -> None:
    for path in sorted((folder_target / "direction 2").iterdir())[4:]:
        path.unlink()
    selection = _fit(
        folder_target,
        catalogue,
        metric="balanced_accuracy",
        class_weights="balanced",
        budget=autotransfer.Budget(trials=2),
    )
    assert selection.kept.class_weights == pytest.approx((32 / 42, 32 / 42, 32 / 12))
    again = autotransfer.load(Path(selection.record.model))
    np.testing.assert_allclose(
        again.predict_proba(str(folder_target)),
        selection.predict_proba(str(folder_target)),
        atol=1e-6,
    )
