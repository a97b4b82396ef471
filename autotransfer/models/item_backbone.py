"""A network for items that a plugin adds behind the face of `Backbone`; it is used whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.views import PLAIN, View
from autotransfer.models.backbone import StageFeatures
from autotransfer.models.source import Source
from autotransfer.models.stages import Stage
from autotransfer.models.whole_backbone import WholeBackbone


class ItemBackbone(WholeBackbone):
    """A source's network for items of fixed shape.

    Args:
        source: What the network was made from.
        network: Called with (b, ...) items, it returns the (b, d) features of each of its stages,
            those of the last one last.
        shape: Of one item, without the batch.
        prepare: Returns the tensor of an item, of that shape.
    """

    def __init__(
        self,
        source: Source,
        network: nn.Module,
        shape: tuple[int, ...],
        prepare: Callable[[Any], Tensor],
    ) -> None:
        self._shape, self._prepare = shape, prepare
        super().__init__(source, network)

    @override
    def found_stages(self) -> tuple[Stage, ...]:
        """Return a stage for each of the features that the network returns."""
        self.network.eval()
        with torch.no_grad():
            found = self.network(self.sample())
        if not isinstance(found, list | tuple) or not all(rows.ndim == 2 for rows in found):
            raise TypeError("its network must return a list of (b, d) features")
        return tuple(Stage(f"stage-{i}", rows.shape[1]) for i, rows in enumerate(found, start=1))

    @override
    def prepared(self, items: ImageSet, view: View = PLAIN) -> Tensor:
        """Return the (b, ...) items as the network reads them."""
        rows = [self._prepare(items.read(i)) for i in range(len(items))]
        return torch.stack(rows).to(self.device)

    @override
    def features(self, x: Tensor) -> StageFeatures:
        return StageFeatures(list(self.network(x)), None)

    @override
    def sample(self, size: int = 2) -> Tensor:
        """Return noise of the shape of items, always the same."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(size, *self._shape, generator=generator).to(self.device)
