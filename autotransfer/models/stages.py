"""The stages of a timm network: which modules end them, and their outputs as one row an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

MAX_STAGES = 6  # networks that name one stage per block are grouped down to about this many
POOLED = "pooled"  # the last stage, where it is more than the pooled output of a module
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Stage:
    """One block of a backbone: the module that ends it and its pooled width."""

    module: str
    num_features: int

    @property
    def pooled(self) -> bool:
        """Return whether it is the pooled output itself, which no module ends."""
        return self.module == POOLED


def find_stages(
    network: nn.Module, sample: Tensor, forward: Callable[[Tensor], Tensor]
) -> tuple[Stage, ...]:
    """Return the stages whose pooled outputs differ, the pooled features last.

    Args:
        network: The timm network.
        sample: A batch of standardised images.
        forward: Returns the (b, d) pooled features of the last stage.
    """
    candidates = _candidates(network)
    was_training = network.training
    network.eval()
    with torch.no_grad(), captured(network, [name for name, _ in candidates]) as found:
        last = forward(sample)
    network.train(was_training)
    stages: list[Stage] = []
    previous: Tensor | None = None
    for name, channels in candidates:
        output = pool(found[name], channels)
        if previous is None or not _equal(output, previous):
            stages.append(Stage(name, output.shape[1]))
            previous = output
    if previous is None or not _equal(last, previous):
        stages.append(Stage(POOLED, last.shape[1]))
    return tuple(stages)


def pool(output: Tensor, num_features: int) -> Tensor:
    """Return the (b, d) mean over positions.

    Takes maps (b, d, h, w) or (b, h, w, d), tokens (b, t, d), or what is pooled already.

    Which axis holds the channels is told by its length, `num_features`.
    """
    if output.ndim == 2:
        return output
    axis = next(
        (i for i in (1, output.ndim - 1) if output.shape[i] == num_features), output.ndim - 1
    )
    if output.ndim == 3:
        axis = 2
    others = [i for i in range(1, output.ndim) if i != axis]
    return output.mean(dim=others)


@contextmanager
def captured(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that a forward pass fills with the raw outputs of the modules."""
    found: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _args: Any, output: Tensor) -> None:
        found[name] = output

    handles = [network.get_submodule(n).register_forward_hook(partial(keep, n)) for n in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _candidates(network: nn.Module) -> list[tuple[str, int]]:
    """Return (module, channels) of every stage that timm names, grouped when there are many."""
    info = getattr(network, "feature_info", None)
    if info is None:
        return []
    entries = info.info if hasattr(info, "info") else info
    modules = dict(network.named_modules())
    named = ((str(entry.get("module", "")), entry) for entry in entries)
    names = list({name: int(e["num_chs"]) for name, e in named if name in modules}.items())
    if len(names) <= MAX_STAGES:
        return names
    step = len(names) / 4
    return [names[round((i + 1) * step) - 1] for i in range(4)]


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, atol=_TOLERANCE, rtol=_TOLERANCE)
