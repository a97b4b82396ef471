"""Static embeddings: a row for each token, whatever stands beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autotransfer.errors import InvalidSourceError
from autotransfer.models.backbone import Backbone
from autotransfer.models.source import Source, Untrained
from autotransfer.models.stages import Stage
from autotransfer.models.texts.backbone import TextBackbone
from autotransfer.models.weights import read_state_dict

LARGEST = 10**9  # numbers of a table


class Embedding(nn.Module):
    """A table of rows for tokens.

    Args:
        weight: (tokens, d) the table.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.embedding = nn.Identity()  # where the one stage can be watched
        self.stages = (Stage("embedding", weight.shape[1]),)

    def hidden(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the (b, t, d) rows of (b, t) tokens."""
        rows = nn.functional.embedding(ids.clamp(max=len(self.weight) - 1), self.weight)
        self.embedding(rows * mask.unsqueeze(2))
        return [rows]


def build(source: Source, *, pretrained: bool) -> Backbone:
    """Return the table of a source in 32-bit numbers.

    Raises:
        InvalidSourceError: If its weights are no table.
    """
    rows, width = int(source.kwargs["tokens"]), int(source.kwargs["width"])
    if not 0 < rows * width <= LARGEST:
        raise InvalidSourceError(f"source {source.name!r}: a table of {rows} x {width} numbers")
    state = read_state_dict(source) if pretrained else None
    if state is None:
        seed = source.weights.seed if isinstance(source.weights, Untrained) else 0
        table = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    else:
        table = table_of(state, source.name)
    return TextBackbone(source, Embedding(table), special=False).eval()


def table_of(state: dict[str, Tensor], name: str) -> Tensor:
    """Return the one matrix among tensors, as 32-bit numbers.

    Args:
        state: Tensors by their names.
        name: Of the source.

    Raises:
        InvalidSourceError: If there is none, or several.
    """
    matrices = [tensor for tensor in state.values() if tensor.ndim == 2]
    if len(matrices) != 1:
        raise InvalidSourceError(
            f"source {name!r}: a static embedding is one matrix (tokens, d), and the file holds "
            f"{len(matrices)}"
        )
    return matrices[0].float()
