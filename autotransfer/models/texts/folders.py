"""A source of texts from a folder, as the hub of Hugging Face and its tools write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from autotransfer.data.texts.preprocessing import LONGEST, TextPreprocessing
from autotransfer.data.untrusted_files import read_object, refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.builders import STATIC, TRANSFORMERS
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.texts.tokens import tokenizer_file
from autotransfer.models.weights import hub_error, sha256_of

TOKENIZER, CONFIG, WEIGHTS = "tokenizer.json", "config.json", "model.safetensors"
SENTENCES, POOLING = "sentence_bert_config.json", "1_Pooling/config.json"
FILES = (TOKENIZER, CONFIG, WEIGHTS, SENTENCES, POOLING)
_UNSAFE = ("pytorch_model.bin", "tf_model.h5", "model.bin")
_USUAL = 256  # tokens: attention costs their square, and most sentences are shorter


def is_text_folder(path: Path) -> bool:
    """Return whether a folder holds a tokenizer, and so a source of texts."""
    try:
        return (path / TOKENIZER).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def source_of_folder(path: Path, name: str = "") -> Source:
    """Return the source in a folder: an encoder where there is a config.json, else a table.

    Args:
        path: Holds tokenizer.json, model.safetensors and, for an encoder, config.json.
        name: Name of the source; empty takes that of the folder.

    Raises:
        InvalidSourceError: If a file is missing or cannot be read, or only files are there that
            would have to be executed.
    """
    name = name or path.resolve().name
    weights = weights_in(path, name)
    config = {}
    if (path / CONFIG).is_file():
        with refused_as(InvalidSourceError, f"source {name!r}: {path / CONFIG} cannot be read"):
            config = read_object(path / CONFIG)
    if "model_type" in config and config["model_type"] != "model2vec":
        return _encoder(path, name, weights, config)
    with refused_as(InvalidSourceError, f"source {name!r}: {weights.path} cannot be read"):
        rows, width = _shape_of_table(weights.path, name)
    preprocessing = TextPreprocessing(tokenizer_file(path / TOKENIZER), LONGEST)
    shape = {"tokens": rows, "width": width}
    return Source(name, f"{STATIC}/{rows}x{width}", weights, preprocessing, shape)


def weights_in(path: Path, name: str) -> LocalWeights:
    """Return the weights in a folder.

    Args:
        path: The folder.
        name: Of the source.

    Raises:
        InvalidSourceError: If there are none that can be read without running code.
    """
    file = path / WEIGHTS
    if not file.is_file():
        unsafe = [other for other in _UNSAFE if (path / other).is_file()]
        raise InvalidSourceError(
            f"source {name!r}: there is no {WEIGHTS} in {path}"
            + (
                f", only {unsafe[0]}, which is not read as it may run code; convert it with "
                "model.save_pretrained(..., safe_serialization=True)"
                if unsafe
                else ""
            )
        )
    with refused_as(InvalidSourceError, f"source {name!r}: {file} cannot be read"):
        return LocalWeights(file, sha256_of(file))


def _encoder(path: Path, name: str, weights: LocalWeights, config: Mapping[str, Any]) -> Source:
    from autotransfer.models.texts.transformer import MODEL_TYPES, arguments_of

    kind = str(config["model_type"])
    if kind not in MODEL_TYPES:
        raise InvalidSourceError(
            f"source {name!r}: {path / CONFIG} is of the kind {kind[:40]!r}; encoders of the "
            f"kinds {', '.join(MODEL_TYPES)} can be read, and no code of others is ever run"
        )
    with refused_as(InvalidSourceError, f"source {name!r}: {path / CONFIG}"):
        preprocessing = TextPreprocessing(
            tokenizer_file(path / TOKENIZER), _most_tokens(path, config), _pooling(path)
        )
        arguments = arguments_of(config)
    architecture = f"{TRANSFORMERS}/{kind}"
    return Source(name, architecture, weights, preprocessing, arguments)


def _most_tokens(path: Path, config: Mapping[str, Any]) -> int:
    """Return how many tokens are read: those of its own settings, at most what positions allow."""
    positions = int(config.get("max_position_embeddings", _USUAL))
    offset = 2 if "roberta" in str(config["model_type"]) or config["model_type"] == "mpnet" else 0
    own = _USUAL
    if (path / SENTENCES).is_file():
        own = int(read_object(path / SENTENCES).get("max_seq_length") or _USUAL)
    return max(1, min(own, positions - offset, LONGEST))


def _pooling(path: Path) -> str:
    if not (path / POOLING).is_file():
        return "mean"
    return "cls" if read_object(path / POOLING).get("pooling_mode_cls_token") is True else "mean"


def _shape_of_table(path: Path, name: str) -> tuple[int, int]:
    """Return the shape of the one matrix in a file, without reading it."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        shapes = [tuple(file.get_slice(key).get_shape()) for key in file.keys()]  # noqa: SIM118
    tables = [shape for shape in shapes if len(shape) == 2]
    if len(tables) != 1:
        raise InvalidSourceError(
            f"source {name!r}: a static embedding is one matrix (tokens, d), and {path} holds "
            f"{len(tables)}; an encoder needs a {CONFIG} with a model_type beside it"
        )
    return tables[0]


def fetched(name: str, file: str, needed: tuple[str, ...] = (TOKENIZER, WEIGHTS)) -> Path | None:
    """Return where a file of the hub lies on this machine; None where the hub has none.

    Args:
        name: OWNER/MODEL.
        file: Its name.
        needed: Files that a source cannot do without.

    Raises:
        InvalidSourceError: If it cannot be had.
    """
    try:
        return Path(hf_hub_download(name, file))
    except Exception as error:
        absent = isinstance(error, EntryNotFoundError)
        if absent and not isinstance(error, LocalEntryNotFoundError):
            if file not in needed:
                return None
            raise InvalidSourceError(
                f"source {name!r}: the hub has no {file} of that name, and nothing else is read: "
                "name an encoder with safetensors"
            ) from None
        if file in (SENTENCES, POOLING):  # an encoder can do without
            return None
        raise hub_error(name, error) from error
