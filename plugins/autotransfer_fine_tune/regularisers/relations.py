"""Relational distillation: distances and angles between images stay as the source sees them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ANGLE_WEIGHT = 2.0  # of the angles, in units of the distances; the paper's 50 to 25
_SMALLEST = 1e-8


def relational_loss(features: Tensor, source: Tensor) -> Tensor:
    """Return the Huber loss of distances plus twice that of angles, a scalar.

    Args:
        features: (b, d) features as they are now; b of at least 3, else the loss is 0.
        source: (b, d') features by the source; the widths may differ.

    References:
        Park et al., Relational Knowledge Distillation, CVPR 2019, arXiv:1904.05068.
    """
    if len(features) < 3:
        return features.sum() * 0.0
    with torch.no_grad():
        distances, angles = _distances(source), _angles(source)
    loss = nn.functional.smooth_l1_loss(_distances(features), distances)
    return loss + ANGLE_WEIGHT * nn.functional.smooth_l1_loss(_angles(features), angles)


def _distances(x: Tensor) -> Tensor:
    """Return the (b, b) distances in units of their mean."""
    squares = (x[:, None] - x[None, :]).square().sum(dim=2)
    distances = (squares + _SMALLEST).sqrt() * (1 - torch.eye(len(x), device=x.device))
    mean = distances.sum() / (len(x) * (len(x) - 1))
    return distances / mean.clamp_min(_SMALLEST)


def _angles(x: Tensor) -> Tensor:
    """Return the (b, b, b) cosines of the angle at each image between any two others."""
    towards = nn.functional.normalize(x[None, :] - x[:, None], dim=2, eps=_SMALLEST)
    return towards @ towards.transpose(1, 2)
