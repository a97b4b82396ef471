"""Features instead of images: the core does not need pixels."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import AutotransferError, InvalidOptionError, InvalidTargetError
from autotransfer.results import State

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))


def _words(n: int, seed: int) -> tuple[Arrays, NDArray[np.str_]]:
    """Return features of made-up texts: a good source, noise, and raw counts that say little."""
    rng = np.random.default_rng(seed)
    topic = np.arange(n) % 3
    means = np.random.default_rng(99).normal(size=(3, 20))
    features = {
        "embedding": means[topic] + 0.8 * rng.normal(size=(n, 20)),
        "noise": rng.normal(size=(n, 30)),
        "other noise": rng.normal(size=(n, 10)),
        "counts": rng.poisson(2, size=(n, 15)) + 0.3 * topic[:, None],
    }
    return features, np.array(["sport", "music", "law"])[topic]


def test_the_source_whose_features_tell_the_classes_is_chosen_and_helps() -> None:
    features, y = _words(240, 0)
    selection = autotransfer.fit_features(
        features, y, test=_words(150, 1), baseline="counts", budget="6 trials"
    )
    assert selection.best.source == "embedding"
    assert selection.ranking.rows[0].source == "embedding"
    assert selection.verdict.decision == "positive"
    assert selection.verdict.test is not None
    assert selection.verdict.test.n == 150
    names = {baseline.name for baseline in selection.verdict.baselines}
    assert names == {"majority", "given-baseline"}
    assert "counts" not in {row.source for row in selection.ranking.rows}
    reasons = {skip.strategy: skip.reason for skip in selection.skipped}
    assert "features were given instead of images" in reasons["fine-tune"]
    unseen, wanted = _words(60, 2)
    assert (selection.predict(unseen) == wanted).mean() > 0.9
    again = autotransfer.load(selection.record.model)
    np.testing.assert_allclose(again.predict_proba(unseen), selection.predict_proba(unseen))
    study = optuna.load_study(study_name=None, storage="sqlite:///autotransfer.db")
    assert study.metric_names == ["validation accuracy"]  # as a dashboard labels its axes


def test_a_search_with_a_time_limit_ends_where_more_is_not_worth_it_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    features, y = _words(240, 5)
    began = time.monotonic()
    selection = autotransfer.fit_features(features, y, budget="10m")
    assert time.monotonic() - began < 60
    stopped = selection.record.stopped
    assert stopped is not None
    assert stopped.reason.startswith("searched ")
    assert "minutes more are expected to bring 0." in stopped.reason
    assert 0 < stopped.expected_gain < 0.005
    assert selection.record.forced == ()
    assert run(["show", selection.record.model, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["stopped"] == {
        "reason": stopped.reason,
        "expected_gain": stopped.expected_gain,
    }


def test_features_that_tell_nothing_are_no_reason_to_transfer() -> None:
    features, y = _words(200, 3)
    noise = {name: features[name] for name in ("noise", "other noise")}
    selection = autotransfer.fit_features(noise, y, budget="4 trials")
    assert selection.verdict.decision != "positive"
    assert all(outcome.state is not State.FAILED for outcome in selection.outcomes)


def test_a_table_is_fitted_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order] / x.std(axis=0), y[order]
    np.savez(
        tmp_path / "wine.npz", y=y[:120], chemistry=x[:120], baseline=x[:120, :1],
        y_test=y[120:], chemistry_test=x[120:], baseline_test=x[120:, :1],
    )  # fmt: skip
    arguments = ["fit", "wine.npz", "--trials", "4", "--out", "result", "--json"]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "positive"
    assert found["source"] == "chemistry"
    assert found["test"]["value"] > 0.9
    np.savez(tmp_path / "new.npz", chemistry=x[120:])
    assert run(["predict", "result", "new.npz", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert (
        np.mean([int(row["class"]) == int(v) for row, v in zip(rows, y[120:], strict=True)]) > 0.9
    )


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"noise": np.zeros((3, 2))}, InvalidTargetError, "'noise' 3"),
        ({"noise": np.full((240, 2), np.nan)}, InvalidTargetError, "infinite values or NaN"),
        ({"noise": np.zeros(240)}, InvalidTargetError, "must be \\(items, features\\)"),
        ({"baseline": "magic"}, InvalidOptionError, "'magic' must be one of the matrices"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    change: dict[str, Any], error: type[Exception], words: str
) -> None:
    features, y = _words(240, 0)
    baseline = change.pop("baseline", None)
    with pytest.raises(error, match=words):
        autotransfer.fit_features({**features, **change}, y, baseline=baseline)


def test_pictures_are_not_asked_of_features() -> None:
    features, y = _words(60, 0)
    selection = autotransfer.fit_features(
        {"embedding": features["embedding"]}, y, budget="1 trials"
    )
    with pytest.raises(AutotransferError, match="no feature matrix named"):
        selection.predict({"something else": features["noise"]})
