"""A small network for texts that learns from nothing: embeddings of hashed words, averaged.

References:
    Joulin et al., Bag of Tricks for Efficient Text Classification, EACL 2017, arXiv:1607.01759.
"""

from __future__ import annotations

from torch import Tensor, nn

from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.models.builders import WORDS, BackboneBuilder
from autotransfer.models.source import Source, Untrained
from autotransfer.models.stages import Stage
from autotransfer.models.texts.backbone import TextBackbone
from autotransfer.models.texts.tokens import HASHED_WORDS

WIDTH = 128
MOST_WORDS = 2000  # words and pairs of words of a text


class HashedWords(nn.Module):
    """A row for each word and pair of words, learnt from nothing."""

    stages = (Stage("rows", WIDTH),)

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(HASHED_WORDS, WIDTH)
        nn.init.normal_(self.rows.weight, std=WIDTH**-0.5)

    def hidden(self, ids: Tensor, _mask: Tensor) -> list[Tensor]:
        """Return the (b, t, d) rows of (b, t) hashed words."""
        return [self.rows(ids)]


def small_text_source(seed: int = 0) -> Source:
    """Return the untrained small network for texts as a source."""
    return Source(
        "hashed-words",
        f"{WORDS}/{HASHED_WORDS}x{WIDTH}",
        Untrained(seed),
        TextPreprocessing(None, MOST_WORDS),
        pretrained_on="nothing",
        license="Apache-2.0",
        origin="autotransfer",
    )


build = BackboneBuilder(WORDS, lambda source: TextBackbone(source, HashedWords()))
