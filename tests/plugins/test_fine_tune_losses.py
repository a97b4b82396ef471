from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from autotransfer_fine_tune.regularisers import (
    FeatureMaps,
    StartingPoint,
    calibrated,
    class_relationship,
    co_tuning_loss,
    distillation_loss,
    interpolate,
    relational_loss,
)


def test_the_pull_goes_part_of_the_way_back() -> None:
    weight, bias = nn.Parameter(torch.tensor([[1.0, 2.0]])), nn.Parameter(torch.tensor([5.0]))
    start = StartingPoint([weight, bias])
    with torch.no_grad():
        weight.add_(1.0)
        bias.add_(1.0)
    start.pull(0.25)
    torch.testing.assert_close(weight.data, torch.tensor([[1.75, 2.75]]))
    assert bias.item() == 5.75
    start.pull(0.0)
    torch.testing.assert_close(weight.data, torch.tensor([[1.75, 2.75]]))
    start.pull(99.0)
    torch.testing.assert_close(weight.data, torch.tensor([[1.0, 2.0]]))


def test_each_weight_is_pulled_at_its_own_rate() -> None:
    weights = [nn.Parameter(torch.zeros(1, 1)) for _ in range(3)]
    start = StartingPoint(weights, [1.0, 0.5, 4.0])
    with torch.no_grad():
        for weight in weights:
            weight.fill_(8.0)
    start.pull(0.5)
    assert [weight.item() for weight in weights] == [4.0, 6.0, 0.0]


def test_distillation_is_zero_at_the_source_and_by_hand_elsewhere() -> None:
    source = torch.tensor([[0.8, 0.2]])
    logits = source.log() + 3.0
    assert distillation_loss(logits, source, 2.0).item() == pytest.approx(0.0, abs=1e-6)
    # at T = 2 the source says sqrt(.8) : sqrt(.2) = 2 : 1, the network 1 : 1
    kl = 2 / 3 * math.log(2 / 3 / 0.5) + 1 / 3 * math.log(1 / 3 / 0.5)
    found = distillation_loss(torch.zeros(1, 2), source, 2.0)
    assert found.item() == pytest.approx(4 * kl, rel=1e-5)


def test_relations_ignore_scale_rotation_and_shift() -> None:
    torch.manual_seed(0)
    source = torch.randn(6, 4)
    turn, _ = torch.linalg.qr(torch.randn(4, 4))
    assert relational_loss(3.0 * source @ turn + 5.0, source).item() == pytest.approx(0, abs=1e-6)
    assert relational_loss(torch.randn(6, 9), source).item() > 0.01
    assert relational_loss(source[:2], source[:2]).item() == 0.0


def test_relations_of_three_points_by_hand() -> None:
    source = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # distances 1, 1, sqrt 2
    line = torch.tensor([[0.0], [1.0], [2.0]])  # distances 1, 2, 1
    mean = (2 + math.sqrt(2)) / 3
    differences = [1 / mean - 0.75, 1 / mean - 1.5, math.sqrt(2) / mean - 0.75]  # 01, 02, 12
    distances = sum(2 * d**2 / 2 for d in differences) / 9
    s = math.sqrt(0.5)
    # cosines at each point between the other two: source 0, s, s; line 1, -1, 1
    angles = 0.0
    for here, there in ((0.0, 1.0), (s, -1.0), (s, 1.0)):
        gap = abs(here - there)
        angles += 2 * (gap**2 / 2 if gap < 1 else gap - 0.5)
    expected = distances + 2 * angles / 27
    assert relational_loss(line, source).item() == pytest.approx(expected, rel=1e-3)


def test_the_relationship_is_the_mean_of_what_the_source_says_of_each_class() -> None:
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.0, 1.0]], dtype=np.float32)
    found = class_relationship(probabilities, np.array([0, 0, 1]), 3)
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.0, 1.0], [0.8 / 3, 2.2 / 3]], rtol=1e-6)


def test_the_temperature_is_that_at_which_the_other_pictures_tell_the_label_best() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    logits = 2.0 * np.eye(3)[labels] + rng.normal(size=(24, 3))

    def softmax(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return found

    def loss(p: np.ndarray) -> float:
        total = 0.0
        for i in range(24):
            others = [j for j in range(24) if j != i]
            joint = np.stack(
                [p[[j for j in others if labels[j] == c]].sum(axis=0) for c in range(3)]
            )
            given = (joint[labels[i]] + 0.1 / 3) / (joint.sum(axis=0) + 0.1)
            total -= math.log(float(p[i] @ given))
        return total

    candidates = [softmax(logits / t) for t in (0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)]
    best = min(candidates, key=loss)
    np.testing.assert_allclose(calibrated(softmax(logits), labels, 3), best, rtol=1e-6)


def test_a_source_class_of_probability_zero_can_be_calibrated() -> None:
    found = calibrated(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32), np.array([0, 1]), 2)
    assert np.isfinite(found).all()


def test_co_tuning_is_the_cross_entropy_to_the_related_classes() -> None:
    related = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    logits = torch.log(torch.tensor([[0.25, 0.75], [0.1, 0.9]]))
    expected = (-0.5 * math.log(0.25) - 0.5 * math.log(0.75) - math.log(0.9)) / 2
    found = co_tuning_loss(logits, related, torch.tensor([0, 1]))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_feature_maps_count_in_units_of_the_source_and_start_at_zero() -> None:
    layer = nn.Linear(2, 2, bias=False)
    network = nn.Sequential(layer, nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
    maps = FeatureMaps(network, ["0"])
    x = torch.tensor([[1.0, 2.0]])
    with maps.watched():
        network(x)
        assert maps.distance(x).item() == 0.0
        with torch.no_grad():
            layer.weight.mul_(1.5)
        network(x)
        assert maps.distance(x).item() == pytest.approx(0.25)
        maps.distance(x).backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert not layer._forward_hooks


def test_interpolation_has_the_two_ends() -> None:
    network = nn.BatchNorm1d(2)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network.weight.fill_(3.0)
        assert network.running_mean is not None
        network.running_mean.fill_(2.0)
    interpolate(network, start, 0.0)
    assert network.weight.tolist() == [3.0, 3.0]
    interpolate(network, start, 0.5)
    assert network.weight.tolist() == [2.0, 2.0]
    assert network.running_mean.tolist() == [1.0, 1.0]
    interpolate(network, {"bias": torch.ones(2)}, 0.5)  # what is missing stays as it is
    assert network.bias.tolist() == [0.5, 0.5]
    assert network.weight.tolist() == [2.0, 2.0]
    interpolate(network, start, 1.0)
    assert network.weight.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 2"):
        interpolate(network, start, 2.0)
