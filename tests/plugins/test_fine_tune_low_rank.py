from __future__ import annotations

import pytest
import torch
from torch import nn

from autotransfer_fine_tune.regularisers import LowRank
from autotransfer_fine_tune.regularisers.low_rank import ALPHA


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.Conv2d(32, 32, 3, padding=1, groups=32),  # depthwise
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.Flatten(),
        nn.Linear(64 * 16, 20),
    ).eval()


def _everything(_name: str) -> bool:
    return True


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def test_before_the_first_step_nothing_has_changed_bit_for_bit(pictures: torch.Tensor) -> None:
    network = _network()
    before = network(pictures)
    assert torch.equal(LowRank(network, _everything, rank=2)(pictures), before)


def test_the_rank_is_lower_where_the_change_would_hold_more_than_half_the_numbers() -> None:
    low = LowRank(_network(), _everything, rank=8)
    # (32, 27): 864 / 2 / 59 = 7.3; depthwise (32, 9): 288 / 2 / 41 = 3.5; the others are large
    assert [len(down) for down in low.down] == [7, 3, 8, 8]
    assert low.changed == ("0.weight", "2.weight", "4.weight", "6.weight")
    assert LowRank(_network(), lambda name: name == "6.weight").changed == ("6.weight",)


def test_a_weight_acts_as_itself_and_the_scaled_product(pictures: torch.Tensor) -> None:
    network = _network()
    low = LowRank(network, _everything, rank=2)
    with torch.no_grad():
        for up in low.up:
            up.normal_()
    expected = _network()
    with torch.no_grad():
        for name, down, up in zip(low.changed, low.down, low.up, strict=True):
            weight = expected.get_parameter(name)
            weight.add_(ALPHA / 2 * (up @ down).reshape(weight.shape))
    torch.testing.assert_close(low(pictures), expected(pictures))

    plain = {name: value.clone() for name, value in network.state_dict().items()}
    with low.merged() as merged:
        torch.testing.assert_close(merged(pictures), expected(pictures))
    assert all(torch.equal(plain[name], value) for name, value in network.state_dict().items())
    low.merge()
    torch.testing.assert_close(network(pictures), expected(pictures))


def test_only_the_change_has_a_gradient_where_the_network_is_frozen(
    pictures: torch.Tensor,
) -> None:
    network = _network().requires_grad_(requires_grad=False)
    low = LowRank(network, _everything, rank=2)
    low(pictures).square().mean().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(up.grad is not None and up.grad.abs().sum() > 0 for up in low.up)


def test_every_parameter_says_which_weight_it_is_or_changes() -> None:
    low = LowRank(_network(), _everything, rank=2)
    assert low.weight_of("network.0.weight") == "0.weight"
    assert [low.weight_of(f"up.{i}") for i in range(4)] == list(low.changed)


def test_a_rank_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        LowRank(_network(), _everything, rank=0)
