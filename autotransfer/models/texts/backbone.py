"""A network that reads tokens behind the face of `Backbone`: stages, features, and the cut."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.views import PLAIN, View
from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.data.texts.reading import texts_of
from autotransfer.errors import UndefinedScoreError
from autotransfer.models.backbone import Backbone, StageFeatures
from autotransfer.models.source import Source
from autotransfer.models.stages import Stage
from autotransfer.models.texts.tokens import Tokens

_SAMPLE_TOKENS = 5


class TextBackbone(Backbone):
    """A source's network for texts; its input is (b, 2, t) tokens with their mask.

    What comes out of a stage is (b, t, d + 1): the hidden state of every token, and the mask as
    one more column, so that the layers after it need nothing else.

    Args:
        source: What the network was made from.
        network: Has a method `hidden` that returns the (b, t, d) hidden states after each stage,
            and its `stages`.
        special: Whether its tokens have marks of beginning and end.
    """

    def __init__(self, source: Source, network: nn.Module, *, special: bool = True) -> None:
        assert isinstance(source.preprocessing, TextPreprocessing)
        self._preprocessing = source.preprocessing
        self._tokens = Tokens(source.preprocessing, special=special)
        super().__init__(source, network)

    @override
    def found_stages(self) -> tuple[Stage, ...]:
        stages: tuple[Stage, ...] = self.network.stages  # type: ignore[assignment]
        return stages

    @override
    def prepared(self, items: ImageSet, view: View = PLAIN) -> Tensor:
        return self._tokens(texts_of(items), items.digests, view).to(self.device)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, d) pooled features of the last stage of tokens."""
        return self.features(x).pooled[-1]

    @override
    def features(self, x: Tensor) -> StageFeatures:
        mask, pooling = x[:, 1].float(), self._preprocessing.pooling
        return StageFeatures([pooled(h, mask, pooling) for h in self._hidden(x)], None)

    @override
    def activations(self, x: Tensor, stage: int) -> Tensor:
        if stage == 0:
            return x
        return with_mask(self._hidden(x)[stage - 1], x[:, 1])

    @override
    def own_part(self, row: Tensor) -> Tensor:
        return row[: int(row[:, -1].sum())].clone()

    @override
    def suffix(self, stage: int) -> nn.Module:
        """Return a copy of the whole, whose parameters learn; after its last stage is nothing."""
        if stage:
            self.refuse_cut(stage)
        return WholeTexts(self)

    @override
    def sample(self, size: int = 2) -> Tensor:
        """Return tokens of two lengths, always the same."""
        ids = torch.arange(3, 3 + size * _SAMPLE_TOKENS).view(size, _SAMPLE_TOKENS)
        mask = torch.ones_like(ids)
        mask[1:, -1] = 0
        return torch.stack([ids * mask, mask], dim=1).to(self.device)

    @property
    def token_rows(self) -> Tensor:
        """Return the (V, e) embeddings of all tokens.

        Raises:
            UndefinedScoreError: If the network has no such table.
        """
        model = getattr(self.network, "model", None)
        if model is None:
            raise UndefinedScoreError(f"{self.source.name} is no encoder with layers")
        rows: Tensor = model.get_input_embeddings().weight
        return rows

    def _hidden(self, x: Tensor) -> list[Tensor]:
        hidden: list[Tensor] = self.network.hidden(x[:, 0], x[:, 1])  # type: ignore[operator]
        return hidden


class WholeTexts(nn.Module):
    """A whole network for texts, from tokens to (b, d) features; its parameters learn.

    Args:
        backbone: Of which a copy is made.
    """

    def __init__(self, backbone: TextBackbone) -> None:
        super().__init__()
        self.network = copy.deepcopy(backbone.network)
        without_pooler(getattr(self.network, "model", self.network))
        self._pooling = backbone._preprocessing.pooling  # noqa: SLF001 - of the same family

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, d) features of (b, 2, t) tokens."""
        states = self.states(x)
        return pooled(states, x[:, 1].to(states.dtype), self._pooling)

    def states(self, x: Tensor) -> Tensor:
        """Return the (b, t, d) last hidden states of (b, 2, t) tokens."""
        hidden: list[Tensor] = self.network.hidden(x[:, 0], x[:, 1])  # type: ignore[operator]
        return hidden[-1]


def without_pooler(model: nn.Module) -> nn.Module:
    """Return a network of transformers, its own pooling left out, which nothing reads."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]
    return model


def with_mask(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return (b, t, d) hidden states with the (b, t) mask as one more column."""
    return torch.cat([hidden, mask.unsqueeze(2).to(hidden.dtype)], dim=2)


def pooled(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Return (b, d): the mean over the tokens that are there, or the first one.

    Args:
        hidden: (b, t, d) hidden states.
        mask: (b, t) 1 where there is a token.
        pooling: "mean" or "cls".
    """
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask.unsqueeze(2)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
