from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.errors import InvalidOptionError
from autotransfer.models.predictors.neural import HeadedSuffix
from autotransfer.models.small_cnn import small_source
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer.results import Layers, ScenarioKind
from autotransfer_adaptation import autotransfer_strategies
from autotransfer_adaptation.class_shares import ClassShares
from autotransfer_adaptation.dann import Critic, Dann, domain_loss
from autotransfer_adaptation.deep_coral import covariance_distance
from autotransfer_adaptation.feature_coral import coral
from autotransfer_adaptation.feature_transport import sinkhorn, transported
from autotransfer_adaptation.mcc import Mcc, class_confusion
from autotransfer_adaptation.reversal import reverse, strength
from autotransfer_adaptation.shot import cluster_labels, information_loss
from autotransfer_adaptation.two_domains import Domains, Plan, interleaved, take_statistics


def test_reversal_is_the_identity_forwards_and_minus_lambda_backwards() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse(x, 0.5)
    assert torch.equal(y, x)
    (gradient,) = torch.autograd.grad((y * torch.tensor([2.0, 4.0])).sum(), x)
    assert gradient.tolist() == [-1.0, -2.0]


def test_the_strength_grows_from_zero_along_a_sigmoid() -> None:
    assert strength(0.0, 3.0) == 0.0
    assert strength(0.1, 1.0) == pytest.approx((1 - math.exp(-1)) / (1 + math.exp(-1)))
    assert strength(1.0, 3.0) == pytest.approx(3.0, rel=1e-3)


def test_the_discriminator_learns_at_full_strength_whatever_lambda_is() -> None:
    torch.manual_seed(0)
    critic = Critic(4, 2)
    features = torch.randn(6, 4)
    gradients = []
    for lambda_ in (0.0, 1.0):
        x = features.clone().requires_grad_()
        loss = domain_loss(critic(reverse(x, lambda_)), 3)
        weight = next(critic.layers.parameters())
        of_weight, of_features = torch.autograd.grad(loss, [weight, x])
        gradients.append((of_weight, of_features.abs().sum().item()))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert gradients[0][1] == 0.0
    assert gradients[1][1] > 0.0


def test_the_domain_loss_of_an_undecided_discriminator_is_ln_2() -> None:
    loss = domain_loss(torch.zeros(8), 4)
    assert loss.item() == pytest.approx(math.log(2))
    weighted = domain_loss(torch.tensor([0.0, 50.0, 0.0, 0.0]), 2, torch.tensor([0.0, 1.0]))
    assert weighted.item() == pytest.approx(math.log(2) / 2)


def test_weights_come_only_when_a_quarter_of_the_classes_seems_absent() -> None:
    shares = ClassShares(4)
    labels = torch.tensor([0, 1, 2, 3])
    for _ in range(300):
        shares.note(torch.full((8, 4), 0.25))
    assert shares.weights(labels, 0.9) is None
    for _ in range(1000):
        shares.note(torch.tensor([[0.5, 0.5, 0.0, 0.0]]))
    assert shares.weights(labels, 0.1) is None
    weights = shares.weights(labels, 0.9)
    assert weights is not None
    np.testing.assert_allclose(weights.numpy(), [1, 1, 0.001, 0.001], atol=1e-2)


def test_certain_predictions_have_no_class_confusion_and_equal_ones_the_most() -> None:
    certain = 1000 * torch.eye(3)
    assert class_confusion(certain, 2.5).item() == pytest.approx(0.0, abs=1e-6)
    assert class_confusion(torch.zeros(5, 3), 2.5).item() == pytest.approx(2 / 3, abs=1e-6)


def test_covariances_two_apart_in_one_of_two_features() -> None:
    source = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # variance 2 and 0
    target = torch.zeros(2, 2)
    assert covariance_distance(source, target).item() == pytest.approx(4 / 16)
    assert covariance_distance(source, source).item() == 0.0


def test_coral_gives_the_source_the_mean_and_covariance_of_the_target() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(400, 3)) * [1.0, 5.0, 0.5]
    target = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) + 7
    moved = coral(source, target, 1e-9)
    np.testing.assert_allclose(moved.mean(axis=0), target.mean(axis=0), atol=1e-8)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), rtol=1e-4, atol=1e-4)


def test_a_plan_has_uniform_marginals() -> None:
    plan = sinkhorn(np.random.default_rng(0).random((5, 7)), 0.1)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 5, atol=1e-6)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 7, atol=1e-6)


def test_transport_undoes_a_shift_that_is_small_beside_the_spread() -> None:
    source = 10.0 * np.eye(4)
    np.testing.assert_allclose(transported(source, source + 1.0, 0.005), source + 1.0, atol=1e-6)


def test_cluster_labels_correct_a_doubtful_prediction() -> None:
    features = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.0], [0.0, 1.0], [0.1, 1.0]])
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.1, 0.9]])
    assert cluster_labels(features, shares).tolist() == [0, 0, 0, 1, 1]


def test_confusion_of_classes_that_are_not_in_the_target_does_not_count() -> None:
    unsure = torch.tensor([[5.0, 5.0, -5.0], [5.0, 5.0, -5.0]])  # between two of three
    # the third is told apart from neither, though hardly anything is said to be one
    assert class_confusion(unsure, 1.0).item() == pytest.approx((0.5 + 0.5 + 1) / 3, abs=1e-3)
    there = torch.tensor([0.5, 0.5, 0.0])
    assert class_confusion(unsure, 1.0, there).item() == pytest.approx(0.5, abs=1e-3)
    even = torch.full((3,), 1 / 3)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert class_confusion(logits, 2.5, even).item() == pytest.approx(
        class_confusion(logits, 2.5).item(), abs=1e-6
    )


def test_the_information_loss_draws_predictions_to_the_class_shares_where_they_are_known() -> None:
    shares = torch.tensor([0.5, 0.5, 0.0])
    as_shares, even = 1000 * torch.eye(3)[[0, 1]], 1000 * torch.eye(3)
    assert information_loss(as_shares, shares).item() == pytest.approx(0.0, abs=1e-4)
    assert information_loss(even, shares).item() > 5  # a third is of a class that is not there
    third = torch.full((3,), 1 / 3)
    assert information_loss(even, third).item() == pytest.approx(
        information_loss(even).item() + math.log(3), abs=1e-4
    )


def test_the_information_loss_is_least_for_certain_and_diverse_predictions() -> None:
    assert information_loss(1000 * torch.eye(4)).item() == pytest.approx(-math.log(4), abs=1e-4)
    assert information_loss(torch.zeros(4, 4)).item() == pytest.approx(0.0, abs=1e-4)


def _task(cache: Path) -> Task:
    task = tiny_task(cache, num_classes=3, per_class=12)
    source = small_source()
    reader = task.features.of(source)
    return replace(
        task,
        source=source,
        features=reader,
        load_backbone=lambda: reader.backbone,  # type: ignore[attr-defined]
        unlabelled=shapes(3, 12, seed=3).without_labels(),
    )


def test_the_small_network_learns_from_the_source_pictures_alone(tmp_path: Path) -> None:
    task, strategy = _task(tmp_path), Mcc()
    params = {**strategy.space(task.info).defaults(), "effort": 0.25}
    predictor = strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))
    unseen = shapes(3, 8, seed=5)
    found = predictor.predict(unseen, task.features).argmax(axis=1)
    assert (found == unseen.labels).mean() > 0.8
    assert predictor.layers is not None
    assert predictor.layers.copied == 0


def test_source_only_starts_small_from_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []

    def train(
        _network: object, _inputs: object, labels: np.ndarray, *_: object, **__: object
    ) -> None:
        shown.append(len(labels))

    monkeypatch.setattr("autotransfer_adaptation.two_domains.training.train", train)
    task = _task(tmp_path)
    n, strategies = len(task.train), {s.name: s for s in autotransfer_strategies()}
    for name in ("source-only", "mcc"):
        strategy = strategies[name]
        params = strategy.space(task.info).defaults()
        strategy.fit(task, Trial(params, lambda *_: None, None, 0))
    batch = min(64, n)
    assert shown == [max(50 * n // batch, 125) * batch, 500 * batch]


def test_without_target_pictures_a_method_says_what_it_lacks(tmp_path: Path) -> None:
    task = replace(_task(tmp_path), unlabelled=None)
    for strategy in autotransfer_strategies():
        if strategy.needs and ScenarioKind.UNLABELLED in strategy.scenarios:
            params = strategy.space(task.info).defaults()
            with pytest.raises(InvalidOptionError, match="unlabelled target items"):
                strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))


def test_lambda_zero_is_in_the_space_of_dann(tmp_path: Path) -> None:
    space = Dann().space(_task(tmp_path).info)
    assert space.parameters["lambda_max"].allows(0.0)


def test_batches_have_pictures_from_everywhere_and_every_picture_once() -> None:
    batches = interleaved(10, 4)
    assert [batch.tolist() for batch in batches] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]


def test_statistics_and_descriptions_do_not_depend_on_the_order_of_the_pictures() -> None:
    class Rows:
        def __init__(self, rows: torch.Tensor) -> None:
            self.rows = rows

        def __len__(self) -> int:
            return len(self.rows)

        def batch(self, positions: np.ndarray) -> torch.Tensor:
            return self.rows[positions]

    sorted_rows = torch.tensor([[-1.0]] * 32 + [[1.0]] * 32)
    norm = torch.nn.BatchNorm1d(1)
    headed = HeadedSuffix(norm, 1, 2)
    domains = Domains(
        headed,
        Rows(sorted_rows),
        Plan(0, 1, 16, 1e-3, keep=False, weight_decay=0.0, layers=Layers(1, 0, 1)),
        0,
    )
    take_statistics(domains)
    assert norm.running_mean is not None
    assert norm.running_mean.item() == pytest.approx(0.0, abs=1e-6)
    assert norm.running_var is not None
    assert norm.running_var.item() == pytest.approx(1.0, abs=0.05)  # 0 within one class
    headed.train()
    features, _ = domains.zero_shot()
    np.testing.assert_allclose(features[:, 0], sorted_rows[:, 0].numpy(), atol=1e-3)
