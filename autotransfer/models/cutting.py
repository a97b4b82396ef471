"""Cut a network in two after a module, without knowing its architecture.

The layers after the cut are a copy of the network in which everything that has finished by the
end of that module is the identity, fed with the module's raw output. That holds wherever the
data flows through the modules one after another; the caller checks it on numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

Forward = Callable[[nn.Module, Tensor], Tensor]


class Suffix(nn.Module):
    """The layers after a cut, without the network's own classifier.

    Parameters keep the names they have in the whole network.
    """

    def __init__(self, network: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.network = network
        self._forward = forward

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the (b, d) pooled features of a batch of raw stage outputs."""
        return self._forward(self.network, z)


def cut_after(network: nn.Module, name: str | None, sample: Tensor, forward: Forward) -> Suffix:
    """Return the layers after the module `name`; None keeps the whole network.

    Args:
        network: The network; left as it is.
        name: Dotted name of the last module before the cut.
        sample: A batch of standardised images that shows the order of the modules.
        forward: Runs the network on a batch and returns its (b, d) pooled features.
    """
    finished = [] if name is None else _finished_by(network, name, sample, forward)
    left_out = [*map(network.get_submodule, finished), *_classifier_of(network)]
    # What stands in the memo is not copied: the identity takes its place.
    suffix = copy.deepcopy(network, {id(module): nn.Identity() for module in left_out})
    if name is not None and hasattr(suffix, "_pos_embed"):
        suffix._pos_embed = _identity  # type: ignore[assignment]  # noqa: SLF001 - no module
    return Suffix(suffix, forward)


def _classifier_of(network: nn.Module) -> list[nn.Module]:
    """Return the network's own classifiers, which nothing reads, so that nobody keeps them."""
    found = network.get_classifier() if hasattr(network, "get_classifier") else ()  # type: ignore[operator]
    parts = found if isinstance(found, tuple) else (found,)
    return [part for part in parts if isinstance(part, nn.Module)]


def _identity(x: Tensor) -> Tensor:
    return x


def _finished_by(network: nn.Module, name: str, sample: Tensor, forward: Forward) -> list[str]:
    """Return the outermost modules that have ended by the first end of module `name`."""
    ended: list[str] = []
    open_ = True
    handles = []

    def hook(module_name: str) -> Callable[..., None]:
        def on_end(_module: nn.Module, _args: Any, _output: Any) -> None:
            nonlocal open_
            if open_ and module_name:
                ended.append(module_name)
            if module_name == name:
                open_ = False

        return on_end

    for module_name, module in network.named_modules():
        handles.append(module.register_forward_hook(hook(module_name)))
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            forward(network, sample[:1])
    finally:
        for handle in handles:
            handle.remove()
        network.train(was_training)
    names = set(ended)
    return [n for n in names if not any(_parent in names for _parent in _parents(n))]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
