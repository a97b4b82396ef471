"""A network behind the face of `Backbone` that is used whole: it is not cut between its stages."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from typing_extensions import override

from autotransfer.errors import CutError
from autotransfer.models.backbone import Backbone


class WholeBackbone(Backbone):
    """A source's network of which all learns, or nothing; `features` and `sample` are its own."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, d) features of the last stage."""
        return self.features(x).pooled[-1]

    @override
    def activations(self, x: Tensor, stage: int) -> Tensor:
        self._refuse_cut(stage)
        return x

    @override
    def suffix(self, stage: int) -> nn.Module:
        """Return a copy of the whole; its parameters learn."""
        self._refuse_cut(stage)
        return copy.deepcopy(self)

    def _refuse_cut(self, stage: int) -> None:
        if stage:
            kind = self.source.modality.plural
            raise CutError(self.source.name, stage, f"networks for {kind} are used whole")
