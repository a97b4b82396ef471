"""Encoders of `transformers` for sounds, walked layer by layer: states, and what follows a cut.

What their own code does by chance while it trains (leaving out layers, masking spans) is left out:
how sounds are varied is a choice of the training.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from typing_extensions import override

from autotransfer.models.sounds.backbone import masked_mean_and_std
from autotransfer.models.texts.transformer import LaterOf, stage_depths

LAYER = "layer-"


class SoundEncoder(nn.Module, ABC):
    """An encoder with what finds its layers.

    For each stage there is an identity by its name, through which the states of the frames that
    are there go: that is where a stage can be watched.

    Args:
        model: What transformers makes of a configuration.
        first: The number of layers that were left out at its beginning.

    Attributes:
        places: Where the list of layers may lie, by the versions of transformers.
        beginning: Modules before the first layer.
        fixed: Whether sounds are filled up to one length and what fills up takes part.
    """

    places: ClassVar[tuple[str, ...]] = ("layers",)
    beginning: ClassVar[tuple[str, ...]]
    fixed: ClassVar[bool] = False
    model: Any

    def __init__(self, model: nn.Module, first: int = 0) -> None:
        super().__init__()
        self.model, self.first = model, first
        self._place = next(p for p in self.places if _module_at(model, p) is not None)
        self.ends = stage_depths(first + len(self.layers))
        for depth in self.ends:
            self.add_module(f"{LAYER}{depth}", nn.Identity())

    @property
    def layers(self) -> Sequence[nn.Module]:
        """Return the layers that there are."""
        found = _module_at(self.model, self._place)
        assert isinstance(found, nn.ModuleList)
        return [module for name, module in found.named_children() if int(name) >= self.first]

    @property
    def depth(self) -> int:
        """Return the number of layers, those that were left out among them."""
        return self.first + len(self.layers)

    @property
    def width(self) -> int:
        """Return the number d of a state."""
        return int(self.model.config.hidden_size)

    @abstractmethod
    def begun(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (b, f, d) states before the first layer, and the (b, f) mask of frames.

        Args:
            x: What the front of the source makes of sounds.
        """

    @abstractmethod
    def run(self, layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the (b, f, d) states after a layer."""

    @abstractmethod
    def ended(self, hidden: Tensor) -> Tensor:
        """Return the states after the last layer as the network gives them."""

    def states(self, x: Tensor, most: int | None = None) -> tuple[list[Tensor], Tensor]:
        """Return the (b, f, d) states before the first layer and after each, and the mask.

        Args:
            x: What the front of the source makes of sounds.
            most: After so many layers it ends; None is all of them.
        """
        hidden, mask = self.begun(x)
        return self.later(hidden, mask, most), mask

    def later(self, hidden: Tensor, mask: Tensor, most: int | None = None) -> list[Tensor]:
        """Return the states given and after each layer; see `states`."""
        found, last = [hidden], self.depth - 1
        for number, layer in enumerate(self.layers, start=self.first):
            if most is not None and number >= most:
                break
            after = self.run(layer, found[-1], mask)
            found.append(self.ended(after) if number == last else after)
        for depth in self.ends:
            if self.first <= depth < self.first + len(found):
                end = self.get_submodule(f"{LAYER}{depth}")
                end(found[depth - self.first] * mask.unsqueeze(2))
        return found

    def pooled(self, hidden: Tensor, mask: Tensor, *, last: bool) -> Tensor:  # noqa: ARG002
        """Return (b, w): mean and deviation over the frames, and of the last its own pooling."""
        return masked_mean_and_std(hidden, mask)

    def pooled_width(self, *, last: bool) -> int:  # noqa: ARG002
        """Return the width of `pooled`."""
        return 2 * self.width

    def after(self, depth: int) -> Self:
        """Return a copy of what comes after so many layers; 0 leaves out the beginning alone."""
        layers = _module_at(self.model, self._place)
        assert isinstance(layers, nn.ModuleList)
        memo: dict[int, Any] = {id(layers): self.kept(layers, depth)}
        for name in self.beginning:
            if (module := _module_at(self.model, name)) is not None:
                memo[id(module)] = nn.Identity()
        return type(self)(copy.deepcopy(self.model, memo), depth)

    def kept(self, layers: nn.ModuleList, depth: int) -> nn.ModuleList:
        """Return what is kept of the layers after a cut, each by its name."""
        return LaterOf(layers, depth)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, w) features of the last stage."""
        states, mask = self.states(x)
        return self.pooled(states[-1], mask, last=True)


def first_of(found: Any) -> Tensor:
    """Return what a layer gives: alone, or as the first of several."""
    tensor: Tensor = found[0] if isinstance(found, tuple) else found
    return tensor


def _module_at(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None
