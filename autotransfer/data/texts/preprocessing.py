"""How a source wants its texts: cut into tokens, up to a number of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidOptionError
from autotransfer.results import Json

LONGEST = 8192  # tokens; a batch of more fills some gigabytes


@dataclass(frozen=True)
class TokenizerFile:
    """A `tokenizer.json` on disk; `sha256` is the hash that the file was found to have."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class TextPreprocessing:
    """How a source wants its texts.

    Args:
        tokenizer: Cuts texts into tokens; None hashes their words.
        max_tokens: What is longer is cut off after so many.
        pooling: "mean" over the tokens, or "cls" for the first one.

    Raises:
        InvalidOptionError: If a value is not allowed.
    """

    modality: ClassVar[Modality] = Modality.TEXT
    tokenizer: TokenizerFile | None
    max_tokens: int = 256
    pooling: str = "mean"

    def __post_init__(self) -> None:
        if not 1 <= self.max_tokens <= LONGEST:
            raise InvalidOptionError(f"max_tokens must be in 1..{LONGEST}, got {self.max_tokens}")
        if self.pooling not in ("mean", "cls"):
            raise InvalidOptionError(f"pooling must be mean or cls, got {self.pooling!r}")

    @property
    def told(self) -> str:
        """Return it in a few words."""
        return f"texts of up to {self.max_tokens} tokens"

    def plain(self) -> Json:
        """Return plain values that say which features come out, wherever the file lies."""
        sha256 = "" if self.tokenizer is None else self.tokenizer.sha256
        return {"tokenizer": sha256, "max_tokens": self.max_tokens, "pooling": self.pooling}
