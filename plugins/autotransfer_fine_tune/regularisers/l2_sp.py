"""L2-SP: weights decay towards where they started, not towards zero."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class StartingPoint:
    """The weights before training, and the way back to them.

    Decoupled from the optimiser, as AdamW's weight decay is: inside the loss, Adam would rescale
    the pull of every weight and lose its strength.

    Args:
        parameters: The weights that are tuned, as they are now.
        rates: Learning rate of each, in units of what `pull` is told; empty is 1 for all.

    References:
        Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with
        Convolutional Networks, ICML 2018, arXiv:1802.01483.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], rates: Sequence[float] = ()) -> None:
        self._parameters = list(parameters)
        self._rates = list(rates) or [1.0] * len(self._parameters)
        self._start = [parameter.detach().clone() for parameter in self._parameters]

    def pull(self, amount: float) -> None:
        """Move every weight w by amount * rate * (w0 - w); more than all the way is cut.

        Args:
            amount: Learning rate of the step times the strength.
        """
        with torch.no_grad():
            for parameter, start, rate in zip(
                self._parameters, self._start, self._rates, strict=True
            ):
                parameter.lerp_(start, min(amount * rate, 1.0))
