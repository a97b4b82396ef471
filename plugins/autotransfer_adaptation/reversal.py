"""Gradient reversal: forward the identity, backward the gradient times minus lambda."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

GAMMA = 10.0  # Ganin et al. 2016, section 5.2.2


class _Reversal(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(x: Tensor, strength: float) -> Tensor:
    """Return x; its gradient comes back multiplied by minus the strength."""
    reversed_: Tensor = _Reversal.apply(x, strength)
    return reversed_


def strength(progress: float, largest: float) -> float:
    """Return lambda at a share of all steps: from 0 to `largest` along a sigmoid.

    References:
        Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 17, 2016,
        section 5.2.2.
    """
    return largest * (2 / (1 + math.exp(-GAMMA * progress)) - 1)
