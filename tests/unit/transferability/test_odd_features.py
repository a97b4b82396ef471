"""Odd features and labels are scored, or refused in one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.errors import AutotransferError, InvalidTargetError, UndefinedScoreError
from autotransfer.models.precomputed_features import Matrices
from autotransfer.transferability import score_features
from autotransfer.transferability.distances import domain_distance

Y = np.repeat([0, 1], 20)
X = np.random.default_rng(0).normal(size=(40, 8)) + Y[:, None]
FEW = ["logme", "h-score", "ridge-loo", "knn"]


def test_one_feature_is_scored_like_the_same_beside_one_that_is_zero() -> None:
    one = X[:, :1]
    beside = np.concatenate([one, np.zeros((40, 1))], axis=1)
    found, expected = score_features(one, Y, FEW), score_features(beside, Y, FEW)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "rows",
    [
        torch.tensor(X, requires_grad=True),
        torch.tensor(X, dtype=torch.float32),
        X.tolist(),
        X.astype(object).astype(float),
    ],
)
def test_what_is_like_a_matrix_is_scored_as_one(rows: Any) -> None:
    assert score_features(rows, Y, FEW) == pytest.approx(score_features(X, Y, FEW), rel=1e-4)
    assert Matrices.of({"a": rows}, Y).by_source["a"] == pytest.approx(X, rel=1e-5)


def test_half_precision_tensors_are_scored() -> None:
    found = score_features(torch.tensor(X).bfloat16(), Y, FEW)
    assert found["h-score"] == pytest.approx(score_features(X, Y, FEW)["h-score"], rel=0.05)


REFUSED: dict[str, Callable[[], object]] = {
    "too large": lambda: score_features(X * 1e200, Y),
    "text": lambda: score_features(X.astype(str), Y),
    "complex": lambda: score_features(X + 1j, Y),
    "ragged": lambda: score_features([[1, 2], [3]], [0, 1]),
    "no matrix": lambda: score_features(3, Y),
    "nothing": lambda: score_features(None, None),  # type: ignore[arg-type]
    "labels of two kinds": lambda: score_features(X, np.array([*Y[1:], "a"], dtype=object)),
    "labels that are lists": lambda: score_features(X, [[0]] * 40),
    "probabilities of text": lambda: score_features(X, Y, None, np.full((40, 2), "a")),
    "distances too large": lambda: domain_distance(X * 1e200, X * 1e200 + 1),
    "a distance of text": lambda: domain_distance(X.astype(str), X),
    "a matrix for a mapping": lambda: Matrices.of(X, Y),
    "a list for a mapping": lambda: Matrices.of([X], Y),  # type: ignore[arg-type]
    "complex features": lambda: Matrices.of({"a": X + 1j}, Y),
    "features too large for floats": lambda: Matrices.of({"a": X * 1e200}, Y),
    "words as features": lambda: Matrices.of({"a": np.full((40, 2), "a")}, Y),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_features_is_refused_in_one_line(call: Callable[[], object]) -> None:
    with pytest.raises(InvalidTargetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_score_is_a_number_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (float("nan"), np.linalg.LinAlgError("no convergence")):

        def score(*_: Any, answer: Any = answer) -> float:
            if isinstance(answer, Exception):
                raise answer
            return float(answer)

        monkeypatch.setattr("autotransfer.transferability.LogME.score", score)
        assert "logme" not in score_features(X, Y)
        with pytest.raises(UndefinedScoreError, match="logme has no value here") as caught:
            score_features(X, Y, ["logme"])
        assert isinstance(caught.value, AutotransferError)
