"""A limit to what a network takes while it is made: arguments of anybody may ask for any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from autotransfer.errors import InvalidSourceError

LARGEST = 5 * 10**9  # numbers in a network; the largest of timm has 4.4e9
MOST_TENSORS = 100_000
_TIMES, _MORE = 4, 5 * 10**7  # of what its weights hold: parts may be made and left out


class LimitedNetwork(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the block, tensors that would be too large together are refused before they are made.

    Args:
        where: What the message begins with: the source and its architecture.
        weights: What is loaded into the network afterwards; None where that is not known.
    """

    def __init__(self, where: str, weights: Mapping[str, Tensor] | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        held = None if weights is None else sum(tensor.numel() for tensor in weights.values())
        self._where = where
        self._most = LARGEST if held is None else min(LARGEST, _TIMES * held + _MORE)
        self._why = "" if held is None else f"; its weights hold {held:,}"
        self._numbers = self._tensors = 0

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Make a tensor, unless it is one too many."""
        numbers = _numbers(func, args)
        if not any(isinstance(given, Tensor) for given in args):
            self._numbers, self._tensors = self._numbers + numbers, self._tensors + 1
        if max(self._numbers, numbers) > self._most or self._tensors > MOST_TENSORS:
            raise InvalidSourceError(
                f"{self._where} would have more than {self._most:,} numbers or "
                f"{MOST_TENSORS:,} tensors{self._why}; correct its kwargs"
            )
        return func(*args, **(kwargs or {}))


def _numbers(func: Any, args: Sequence[Any]) -> int:
    """Return how many numbers an operation is about to make, as far as its arguments say."""
    given = [argument for argument in args if isinstance(argument, Tensor)]
    if given and torch.Tag.pointwise in func.tags:
        return math.prod(np.broadcast_shapes(*(tensor.shape for tensor in given)))
    size = args[0] if args else ()
    if isinstance(size, list | tuple) and all(isinstance(side, int) for side in size):
        return math.prod(size)  # empty, zeros, randn, ...
    return int(max(args)) if func.overloadpacket is torch.ops.aten.arange else 0
