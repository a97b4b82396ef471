"""Gradient projection: the source task never opposes the descent of the target task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def project(source: Sequence[Tensor], target: Sequence[Tensor]) -> list[Tensor]:
    """Return the source gradient without its part against the target gradient.

    Both are gradients on the same parameters, taken as one long vector. Where their inner product
    is negative, the component of the source gradient along the target gradient is removed;
    otherwise the source gradient stays as it is. The target gradient is never changed: the
    paper projects each of the tasks in turn, but here only the target counts in the end.

    References:
        Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, arXiv:2001.06782,
        algorithm 1.
    """
    inner = _inner(source, target)
    length = _inner(target, target)
    if inner >= 0 or length == 0:
        return list(source)
    factor = inner / length
    return [s - factor * t for s, t in zip(source, target, strict=True)]


def projected_loss(
    target_loss: Tensor,
    source_loss: Tensor,
    shared: Sequence[nn.Parameter],
    own: Sequence[nn.Parameter],
) -> Tensor:
    """Return a scalar of the value of the sum, whose backward pass gives the projected gradient.

    It costs the two backward passes that the sum would: both are done here, and the one of the
    scalar is linear in the parameters.

    Args:
        target_loss: Scalar, from a forward pass of its own.
        source_loss: Scalar, already weighted, from a forward pass of its own.
        shared: The parameters on which the source gradient is projected.
        own: All others (each task's head); they get the gradient of the sum.
    """
    g_target = _gradients(target_loss, [*shared, *own])
    g_source = _gradients(source_loss, [*shared, *own])
    seen = [p for p in shared if id(p) in g_target and id(p) in g_source]
    projected = project([g_source[id(p)] for p in seen], [g_target[id(p)] for p in seen])
    g_source.update({id(p): g for p, g in zip(seen, projected, strict=True)})
    linear = torch.zeros((), device=target_loss.device)
    for parameter in [*shared, *own]:
        for gradients in (g_target, g_source):
            if id(parameter) in gradients:
                linear = linear + (gradients[id(parameter)] * parameter).sum()
    return linear + (target_loss + source_loss - linear).detach()


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> dict[int, Tensor]:
    """Return the gradient by the identity of the parameter, where the loss depends on it."""
    found: tuple[Tensor | None, ...] = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {
        id(parameter): gradient
        for gradient, parameter in zip(found, parameters, strict=True)
        if gradient is not None
    }


def _inner(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    products = [float((a.double() * b.double()).sum()) for a, b in zip(first, second, strict=True)]
    return sum(products)
