from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from autotransfer.errors import UnknownNameError
from autotransfer.models import metrics
from autotransfer.models.metrics import METRICS, metric_named
from autotransfer.models.scoring import logit_adjusted

# Four images, three classes; the third answer is wrong.
LABELS = np.array([0, 0, 1, 2])
PROBABILITIES = np.array([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8]])


def random_case(
    seed: int, n: int = 23, num_classes: int = 4
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.integers(num_classes, size=n), rng.dirichlet(np.ones(num_classes), size=n)


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert METRICS["accuracy"].score(LABELS, PROBABILITIES) == 0.75


def test_balanced_accuracy_is_the_mean_recall() -> None:
    assert METRICS["balanced_accuracy"].score(LABELS, PROBABILITIES) == pytest.approx(2 / 3)


def test_macro_f1_is_the_mean_f1() -> None:
    # class 0: 2 * 2 / (2 + 3); class 1: 0; class 2: 1
    assert METRICS["f1_macro"].score(LABELS, PROBABILITIES) == pytest.approx((0.8 + 0 + 1) / 3)


def test_log_loss_is_negative_inside_and_positive_for_people() -> None:
    metric = METRICS["log_loss"]
    mean = float(np.mean(np.log([0.5, 0.8, 0.4, 0.8])))
    score = metric.score(LABELS, PROBABILITIES)
    assert score == pytest.approx(mean)
    assert metric.display(score) == -score > 0
    assert METRICS["accuracy"].display(0.75) == 0.75


def test_a_certain_wrong_answer_costs_the_clipped_log() -> None:
    score = METRICS["log_loss"].score([1], [[1.0, 0.0]])
    assert score == pytest.approx(np.log(1e-7))


@pytest.mark.parametrize("seed", range(5))
def test_values_equal_those_of_scikit_learn(seed: int) -> None:
    labels, probabilities = random_case(seed)
    answers = probabilities.argmax(axis=1)
    expected = {
        "accuracy": float(np.mean(answers == labels)),
        "balanced_accuracy": balanced_accuracy_score(labels, answers),
        "f1_macro": f1_score(labels, answers, average="macro"),
        "log_loss": -log_loss(labels, probabilities, labels=range(4)),
    }
    scores = {name: metric.score(labels, probabilities) for name, metric in METRICS.items()}
    assert scores == pytest.approx(expected, abs=1e-12)


def test_a_class_that_is_answered_but_absent_counts_in_f1_as_in_scikit_learn() -> None:
    labels, probabilities = [0, 0, 1], np.eye(3)[[0, 2, 1]]
    expected = f1_score(labels, [0, 2, 1], average="macro")
    assert METRICS["f1_macro"].score(labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), resamples=st.integers(1, 5))
def test_weights_of_one_give_the_score_exactly(
    name: str, seed: int, n: int, resamples: int
) -> None:
    metric = METRICS[name]
    labels, probabilities = random_case(seed, n)
    scores = metric.resampled(labels, probabilities, np.ones((resamples, n), dtype=np.int64))
    assert scores.tolist() == [metric.score(labels, probabilities)] * resamples


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000))
def test_weights_act_as_repeated_pictures(name: str, seed: int) -> None:
    metric = METRICS[name]
    labels, probabilities = random_case(seed)
    drawn = np.random.default_rng(seed + 1).integers(len(labels), size=(3, len(labels)))
    weights = np.stack([np.bincount(row, minlength=len(labels)) for row in drawn])
    expected = [metric.score(labels[row], probabilities[row]) for row in drawn]
    assert metric.resampled(labels, probabilities, weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
def test_credits_sum_to_the_score(name: str, seed: int, n: int) -> None:
    metric = METRICS[name]
    labels, probabilities = random_case(seed, n)
    score = metric.score(labels, probabilities)
    assert metric.credits(labels, probabilities).sum() == pytest.approx(score, abs=1e-12)


def test_a_class_absent_from_a_resample_does_not_count() -> None:
    weights = np.array([[1, 1, 0, 1]])  # without the only image of class 1
    assert METRICS["balanced_accuracy"].resampled(LABELS, PROBABILITIES, weights) == [1.0]
    assert METRICS["f1_macro"].resampled(LABELS, PROBABILITIES, weights) == [1.0]


def test_chunks_do_not_change_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = random_case(3)
    weights = np.random.default_rng(0).multinomial(23, [1 / 23] * 23, size=40)
    whole = {n: m.resampled(labels, probabilities, weights) for n, m in METRICS.items()}
    monkeypatch.setattr(metrics, "_CHUNK_ELEMENTS", 7 * 23)
    for name, metric in METRICS.items():
        parts = metric.resampled(labels, probabilities, weights)
        assert parts == pytest.approx(whole[name], abs=1e-14)


def test_an_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(UnknownNameError, match="'auc'; available: accuracy, balanced_accuracy"):
        metric_named("auc")
    assert metric_named("accuracy") is METRICS["accuracy"]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.empty((0, 2)), "n at least 1"),
        ([0, 1], [[1.0, 0.0]], "shapes"),
        ([2], [[1.0, 0.0]], r"labels must be in \[0, 2\)"),
        ([0], [[np.nan, 0.0]], "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    labels: list[int], probabilities: NDArray[np.float64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        METRICS["accuracy"].score(labels, probabilities)


def test_weights_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(B, 4\), got \(1, 3\)"):
        METRICS["accuracy"].resampled(LABELS, PROBABILITIES, np.ones((1, 3)))


def test_weights_by_rarity_move_decisions_to_the_rare_class() -> None:
    said = np.array([[0.6, 0.4], [0.9, 0.1]])
    np.testing.assert_allclose(
        logit_adjusted(said, np.array([1.0, 2.0]))[0], [0.6 / 1.4, 0.8 / 1.4]
    )
    assert logit_adjusted(said, np.array([1.0, 2.0])).argmax(axis=1).tolist() == [1, 0]
    assert logit_adjusted(said, None) is said
