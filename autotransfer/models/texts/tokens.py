"""From texts to the numbers of their tokens, padded to the longest of a batch."""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autotransfer.data.images.views import FEW_WORDS, MASK, PLAIN, View
from autotransfer.data.texts.preprocessing import TextPreprocessing, TokenizerFile
from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.builders import TRANSFORMERS, kind_of
from autotransfer.models.source import Source
from autotransfer.models.weights import sha256_of

HASHED_WORDS = 1 << 14  # numbers that words and pairs of words are hashed to; 0 is none
DROPPED, MANY_DROPPED = 0.1, 0.3  # of the tokens of a varied text, and of one of few words
MASKED = 0.15  # of the inner tokens of a masked one; Devlin et al., arXiv:1810.04805
_MASKS = ("[MASK]", "<mask>")  # what tokenizers call the token in place of a masked one
_INSTALL = "texts need the extra `text`: pip install 'autotransfer[text]'"
_WORD = re.compile(r"\w+")


def needed(module: str, install: str = _INSTALL) -> Any:
    """Return a module of an extra.

    Args:
        module: Its name.
        install: What the message begins with; the default is for the extra `text`.

    Raises:
        InvalidSourceError: If it is not installed; the message says how to do so.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidSourceError(f"{install} ({error})") from error


class Tokens:
    """Cuts texts into tokens.

    Args:
        preprocessing: Which tokenizer, and how many tokens at most.
        special: Whether the marks of beginning and end are added that encoders expect.
    """

    def __init__(self, preprocessing: TextPreprocessing, *, special: bool = True) -> None:
        self._preprocessing, self._special = preprocessing, special

    def __call__(
        self, texts: Sequence[str], digests: Sequence[str] = (), view: View = PLAIN
    ) -> Tensor:
        """Return the (b, 2, t) tokens of texts and a mask that is 1 where there is one.

        Args:
            texts: b texts.
            digests: Content hash of each, which decides what a view leaves out.
            view: "mask" masks 15 % of the inner tokens; "few words" leaves out three tenths of
                them, and anything else but plain and mirror one.

        Raises:
            ValueError: If tokens are to be masked, and the tokenizer has nothing to do so with.
        """
        mask = mask_token(self._preprocessing) if view.kind == MASK else None
        if view.kind == MASK and mask is None:
            raise ValueError("the tokenizer has no token for what is masked")
        keys = list(digests) or [""] * len(texts)
        cut = zip(self._rows(texts), keys, strict=True)
        rows = [_varied(row, key, view, mask) for row, key in cut]
        longest = max(map(len, rows), default=1)
        found = torch.zeros((len(rows), 2, longest), dtype=torch.long)
        for i, row in enumerate(rows):
            found[i, 0, : len(row)] = torch.tensor(row)
            found[i, 1, : len(row)] = 1
        return found

    def _rows(self, texts: Sequence[str]) -> list[list[int]]:
        most, file = self._preprocessing.max_tokens, self._preprocessing.tokenizer
        if file is None:
            return [hashed(text)[:most] or [1] for text in texts]
        tokenizer = _tokenizer(file.path, file.sha256, most)
        encoded = tokenizer.encode_batch(list(texts), add_special_tokens=self._special)
        return [item.ids or [0] for item in encoded]


def hashed(text: str) -> list[int]:
    """Return a number for each word of a text, and for each pair of neighbours."""
    words = _WORD.findall(text.casefold())
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return [1 + zlib.crc32(part.encode()) % (HASHED_WORDS - 1) for part in (*words, *pairs)]


def mask_token(preprocessing: TextPreprocessing) -> int | None:
    """Return the number of the token that stands for a masked one; None where there is none.

    Args:
        preprocessing: Names the tokenizer.

    Raises:
        InvalidSourceError: If it cannot be read.
    """
    file = preprocessing.tokenizer
    if file is None:
        return None
    tokenizer = _tokenizer(file.path, file.sha256, preprocessing.max_tokens)
    found = [number for number in map(tokenizer.token_to_id, _MASKS) if number is not None]
    return int(found[0]) if found else None


def reason_not_masked(source: Source) -> str:
    """Return why no tokens can be masked and filled in by a source; empty where they can."""
    assert isinstance(source.preprocessing, TextPreprocessing)
    if kind_of(source.architecture) != TRANSFORMERS:
        return "it has no layers that could fill in masked tokens"
    if mask_token(source.preprocessing) is None:
        return f"its tokenizer has no token for masked ones ({' or '.join(_MASKS)})"
    return ""


def tokenizer_file(path: Path) -> TokenizerFile:
    """Return a tokenizer on disk, with its hash.

    Raises:
        InvalidSourceError: If it cannot be read.
    """
    with refused_as(InvalidSourceError, f"the tokenizer {path} cannot be read"):
        return TokenizerFile(path, sha256_of(path))


@lru_cache(maxsize=16)
def _tokenizer(path: Path, sha256: str, most: int) -> Any:
    """Return a tokenizer that cuts after so many tokens and pads nothing."""
    library = needed("tokenizers")
    with refused_as(InvalidSourceError, f"the tokenizer {path} cannot be read"):
        if sha256_of(path) != sha256:
            raise InvalidSourceError(f"the tokenizer {path} is not the one that was there before")
        tokenizer = library.Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.enable_truncation(most)
        return tokenizer


def _varied(row: list[int], digest: str, view: View, mask: int | None) -> list[int]:
    """Return the tokens of a view; the first and the last one stay, which may be marks."""
    if view.kind in ("plain", "mirror"):
        return row
    seed = zlib.crc32(f"{digest} {view.kind} {view.number}".encode())
    drawn = np.random.default_rng(seed).random(len(row))
    if mask is not None:
        drawn[[0, -1]] = 1.0
        taken = {*np.flatnonzero(drawn < MASKED).tolist(), int(drawn.argmin())}  # one at least
        return [mask if i in taken else token for i, token in enumerate(row)]
    if len(row) < 4:
        return row
    kept = drawn >= (MANY_DROPPED if view.kind == FEW_WORDS else DROPPED)
    kept[[0, -1]] = True
    return [token for token, stays in zip(row, kept, strict=True) if stays]
