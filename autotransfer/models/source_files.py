"""The files of a source in the folder of a saved model: its weights, and its tokenizer."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from autotransfer.data.atomic_files import written_whole
from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.models.backbone import load_backbone
from autotransfer.models.source import LocalWeights, Source, Untrained
from autotransfer.models.weights import write_state_dict


def with_files(source: Source, folder: Path, stem: str) -> Source:
    """Copy the files of a source; their paths in what is returned are relative to the folder.

    Args:
        source: What is saved.
        folder: Where to.
        stem: Name of the files, without their ends.
    """
    source = _with_tokenizer(source, folder, stem)
    match source.weights:
        case LocalWeights(path=path, sha256=sha256):
            target = folder / f"{stem}{path.suffix}"
            _copy(path, target)
            return replace(source, weights=LocalWeights(Path(target.name), sha256))
        case Untrained():
            return source
    target = folder / f"{stem}.safetensors"
    sha256 = write_state_dict(target, load_backbone(source).network.state_dict())
    return replace(source, weights=LocalWeights(Path(target.name), sha256))


def _with_tokenizer(source: Source, folder: Path, stem: str) -> Source:
    preprocessing = source.preprocessing
    if not isinstance(preprocessing, TextPreprocessing) or preprocessing.tokenizer is None:
        return source
    target, file = folder / f"{stem}.tokenizer.json", preprocessing.tokenizer
    _copy(file.path, target)
    copied = replace(preprocessing, tokenizer=replace(file, path=Path(target.name)))
    return replace(source, preprocessing=copied)


def _copy(path: Path, target: Path) -> None:
    if not target.exists() or not target.samefile(path):
        with written_whole(target) as file:
            shutil.copyfile(path, file)
