"""Masked language modelling: an encoder fills in the words that were taken from a text."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import ImageSet, Task, View, training

VIEWS = 4  # of each text, with other tokens masked; each is computed once behind frozen stages


class FilledIn(nn.Module):
    """The layers that learn, and what names tokens from their hidden states.

    The names are the rows of the source's own embeddings, which stay as they are; what comes
    before them begins as the identity and is thrown away.

    Args:
        suffix: Its `states` are the (b, t, d) hidden states.
        rows: (V, e) embeddings of all tokens.
        width: d.
    """

    rows: Tensor

    def __init__(self, suffix: nn.Module, rows: Tensor, width: int) -> None:
        super().__init__()
        self.suffix = suffix
        self.register_buffer("rows", rows.detach().clone())
        e = rows.shape[1]
        linear = nn.Linear(width, e)
        if width == e:
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.transform = nn.Sequential(linear, nn.LayerNorm(e))
        self.bias = nn.Parameter(torch.zeros(len(rows)))

    @property
    def beside(self) -> list[nn.Parameter]:
        """Return what learns beside the layers and is thrown away."""
        return [*self.transform.parameters(), self.bias]

    @override
    def forward(self, z: Tensor, plain: Tensor, masked: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats of the tokens that were masked.

        Args:
            z: Inputs of the layers, of the masked texts.
            plain: (b, t) tokens as they are.
            masked: (b, t) tokens with some of them masked.
        """
        taken = plain != masked
        states: Tensor = self.suffix.states(z)[taken]  # type: ignore[operator]
        logits = self.transform(states) @ self.rows.T + self.bias
        return nn.functional.cross_entropy(logits.float(), plain[taken])


class MaskedTexts:
    """The texts that are filled in, in each of their views.

    Args:
        task: Gives the features.
        items: The n texts.
        frozen: Number of frozen stages.
    """

    def __init__(self, task: Task, items: ImageSet, frozen: int) -> None:
        read = task.features.inputs
        views = [View("mask", number) for number in range(VIEWS)]
        self.plain = read(items, 0)
        self._tokens = [read(items, 0, view=view) for view in views]
        self._states = [read(items, frozen, view=view) for view in views]

    def drawn(self, positions: NDArray[np.int64], view: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `FilledIn` takes, of the texts at (b,) positions in one view."""
        plain, masked = self.plain.batch(positions), self._tokens[view].batch(positions)
        return self._states[view].batch(positions), plain[:, 0], masked[:, 0]


def filling_in(
    filled: nn.Module, texts: MaskedTexts, shown: NDArray[np.int64]
) -> training.Objective:
    """Return the objective of a step: the tokens of the next texts in a view drawn at random.

    Args:
        filled: A `FilledIn`.
        texts: What is shown.
        shown: Which texts the steps show, in order.
    """

    def objective(step: training.Step) -> Tensor:
        positions = np.unique(shown[step.positions])
        drawn = texts.drawn(positions, int(step.generator.integers(VIEWS)))
        loss: Tensor = filled(*(part.to(step.inputs.device) for part in drawn))
        return loss

    return objective
