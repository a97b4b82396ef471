"""A kept predictor of texts as one graph: tokens in, and a file beside it that makes them.

The file is a `tokenizer.json` of the library `tokenizers` that cuts and fills up by itself:
`Tokenizer.from_file(path).encode_batch(texts)` gives what the graph takes. Sources that share a
tokenizer share their inputs.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import ExportError
from autotransfer.models.builders import TRANSFORMERS, kind_of
from autotransfer.models.source import Source
from autotransfer.models.texts.tokens import needed
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.pairs import PairGraph, input_names

IDS, MASK = "input_ids", "attention_mask"
INPUTS = "inputs"  # in the metadata of the graph
_SENTENCES = (
    "where is my card?",
    "It was paid twice, and nobody answers the telephone; could you please look at it today?",
    "¡Hola! 123-456 — naïve café, 東京 ...",
    "one",
)
_Key: TypeAlias = tuple[str, int, bool]


@dataclass(frozen=True)
class TokenFile:
    """What makes the tokens of some sources.

    Args:
        key: The hash of its tokenizer, how many tokens at most, and whether with marks.
        content: A `tokenizer.json`.
        number: Its place among those of the graph, from 1.
    """

    key: _Key
    content: str
    number: int

    @property
    def inputs(self) -> tuple[str, str]:
        """Return the names of its two inputs of the graph."""
        return input_names(IDS, MASK, self.number)

    def beside(self, path: Path) -> Path:
        """Return where it lies beside a graph."""
        end = "" if self.number == 1 else f"-{self.number}"
        return path.with_name(f"{path.stem}.tokenizer{end}.json")

    def tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (n, t) tokens of texts, and a mask that is 1 where there is one."""
        found = needed("tokenizers").Tokenizer.from_str(self.content).encode_batch(list(texts))
        ids = np.array([item.ids for item in found], dtype=np.int64)
        return ids, np.array([item.attention_mask for item in found], dtype=np.int64)


class TextGraph(PairGraph):
    """What `Kept.predict` does with texts, from tokens and masks, two inputs a tokenizer.

    Args:
        kept: The predictor.
        source: The source that it reads.

    Raises:
        ExportError: If a source reads texts without a tokenizer.
    """

    def __init__(self, kept: Checkpoint, source: Source) -> None:
        super().__init__(kept, source)
        self.files = token_files(self.sources)

    @property
    @override
    def ways(self) -> list[_Key]:
        return [file.key for file in self.files]

    @override
    def way_of(self, source: Source) -> _Key:
        return _key(source)


def token_files(sources: Sequence[Source]) -> tuple[TokenFile, ...]:
    """Return what makes the tokens of sources, each once, in their order.

    Args:
        sources: Of texts.

    Raises:
        ExportError: If one has no tokenizer.
    """
    found: dict[_Key, TokenFile] = {}
    for source in sources:
        key = _key(source)
        if key not in found:
            found[key] = TokenFile(key, _content(source, special=key[2]), len(found) + 1)
    return tuple(found.values())


def sample_texts() -> ImageSet:
    """Return texts of several lengths and scripts, one of them longer than any source reads."""
    texts = [*_SENTENCES, " ".join(_SENTENCES * 300)]
    return ImageSet(TextReader(texts), np.arange(len(texts)))


def tokenizers_beside(path: Path) -> tuple[Path, ...]:
    """Return the files that make the tokens of a graph on disk, as its metadata names them.

    Args:
        path: The graph.
    """
    library = importlib.import_module("onnx")  # not at the top: it is not always there
    metadata = library.load(path, load_external_data=False).metadata_props
    told: list[dict[str, Any]] = next(
        (json.loads(entry.value) for entry in metadata if entry.key == INPUTS), []
    )
    return tuple(path.with_name(one["tokenizer"]) for one in told)


def told_inputs(files: Sequence[TokenFile], path: Path) -> str:
    """Return what makes the inputs of a graph as JSON, for its metadata."""
    return json.dumps(
        [
            {
                "ids": file.inputs[0],
                "mask": file.inputs[1],
                "tokenizer": file.beside(path).name,
                "max_tokens": file.key[1],
            }
            for file in files
        ]
    )


def _key(source: Source) -> _Key:
    preprocessing = source.preprocessing
    if not isinstance(preprocessing, TextPreprocessing) or preprocessing.tokenizer is None:
        raise ExportError(
            f"{source.name!r} reads texts without a tokenizer and has no graph; predict with "
            "autotransfer instead"
        )
    special = kind_of(source.architecture) == TRANSFORMERS
    return preprocessing.tokenizer.sha256, preprocessing.max_tokens, special


def _content(source: Source, *, special: bool) -> str:
    """Return the tokenizer of a source as JSON, with its own cutting and filling up."""
    file = source.preprocessing.tokenizer
    tokenizer = needed("tokenizers").Tokenizer.from_file(str(file.path))
    tokenizer.enable_truncation(source.preprocessing.max_tokens)
    tokenizer.enable_padding(pad_id=0, pad_token=tokenizer.id_to_token(0) or "")
    found = json.loads(tokenizer.to_str())
    if not special:
        found["post_processor"] = None
    return json.dumps(found, ensure_ascii=False)
