"""What `fit` returns: a predictor, everything that was found, and how to keep both.

A selection folder is a saved predictor (see `saved_predictor`) with `selection.json`, the
record of the fit, beside it.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import ExportError, InvalidOptionError
from autotransfer.plugin.registry import Registry, discover
from autotransfer.results import RECORD_FILE, Outcome, Ranking, Record, Skipped, Verdict
from autotransfer.scenarios.options import device_of
from autotransfer.search.checkpoint import read_checkpoint, write_checkpoint, write_json
from autotransfer.search.record_file import record_in, record_to_json
from autotransfer.selection.card import html_card, text_card
from autotransfer.selection.export import export_onnx
from autotransfer.selection.outcome_table import leaderboard_of
from autotransfer.selection.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Selection(Predictions):
    """The answer of a fit.

    Args:
        record: Everything that was found.
        kept: The predictor that is returned.
        device: Where to compute.
        plugins: Plugin files that the predictor needs when it is loaded.
        registered: Who is the champion in MLflow after the fit and why; empty where nothing was
            registered, and where the selection was loaded.
    """

    plugins: tuple[str | Path, ...] = ()
    registered: str = ""

    @override
    def __repr__(self) -> str:
        return text_card(self.record)

    def _repr_html_(self) -> str:
        return html_card(self.record)

    @override
    def __reduce__(self) -> tuple[Callable[..., Selection], tuple[Any, ...]]:
        """Return how to make it again: a pickle or a copy holds the files of its folder."""
        with TemporaryDirectory() as folder:
            self.save(folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return _unpacked, (files, self.plugins, str(self.device))

    @property
    def verdict(self) -> Verdict:
        """Return what the guard found."""
        return self.record.verdict

    @property
    def best(self) -> Outcome:
        """Return the outcome of the finalist with its members, whatever is returned."""
        return replace(self.record.finalist, members=self.record.chosen)

    @property
    def ranking(self) -> Ranking:
        """Return the ranking of the sources."""
        return self.record.ranking

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome of the search."""
        return self.record.outcomes

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Return what was not tried, and why."""
        return self.record.skipped

    def leaderboard(self) -> pd.DataFrame:
        """Return a row for each probe and trial, best first; see `leaderboard_of`."""
        return leaderboard_of(self.record)

    def features(self, images: Any = None) -> Any:
        """Return the (n, d) frozen features of images by the sources that were chosen.

        Args:
            images: In any form that `fit` takes; None returns the transformer itself, fitted,
                for a pipeline of scikit-learn.

        Raises:
            InvalidOptionError: If what was returned reads no source.
        """
        from autotransfer.selection.source_features import SourceFeatures

        transformer = SourceFeatures(self).fit()
        return transformer if images is None else transformer.transform(images)

    def to_onnx(self, path: str | Path) -> Path:
        """Write an ONNX file; its answers are compared with ours before.

        Needs the extra `autotransfer[onnx]`.

        Args:
            path: File to write. Of images its input is uint8 (n, h, w, 3), upright RGB of any
                one size; of texts tokens and their mask, int64 (n, t), from the tokenizer that is
                written beside it; of sounds samples and their mask, float32 (n, t). Its output
                is float32 (n, K), the probabilities of `class_names`.

        Raises:
            ExportError: If a package is missing, what is returned has no graph, or the graph
                answers differently by more than 1e-4; then nothing is written.
        """
        if self.record.zero_shot is not None:
            raise ExportError("a selection that was fitted on attributes cannot be exported")
        source = self.kept.source
        about = {
            "model": self.record.name,
            "verdict": str(self.verdict.decision),
            "returned": self.verdict.returned,
            "source": source.name if source else "none",
            "license": source.license if source else "none",
        }
        export_onnx(Path(path), self.kept, self.class_names, about)
        return Path(path)

    def save(self, folder: str | Path) -> Path:
        """Write the selection; it can be loaded without anything else.

        Raises:
            InvalidOptionError: If the folder cannot be written.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_checkpoint(path, self.kept)
            record = replace(self.record, model=str(path))
            write_json(path / RECORD_FILE, record_to_json(record))
        except OSError as error:
            raise InvalidOptionError(f"the folder {path} cannot be written ({error})") from error
        return path


def load(
    folder: str | Path,
    *,
    plugins: Sequence[str | Path] = (),
    device: str = "cpu",
    registry: Registry | None = None,
) -> Selection:
    """Return a saved selection.

    Args:
        folder: What `Selection.save` or `fit --out` wrote.
        plugins: Plugin files that the strategy or the architecture comes from.
        device: "auto", "cpu", "cuda" or "cuda:N", where to compute.
        registry: What is installed; None discovers it.

    Raises:
        InvalidOptionError: If the folder holds no selection, or there is no such device.
        UnknownNameError: If the strategy is not installed.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InvalidOptionError(f"a selection is in a folder; name its path, got {folder!r}")
    path = Path(folder)
    record = read_record(path)
    place = device_of(device)
    registry = registry or discover(files=[Path(plugin) for plugin in plugins])
    return Selection(record, read_checkpoint(path, registry), place, tuple(plugins))


def _unpacked(
    files: Mapping[str, bytes], plugins: tuple[str | Path, ...], device: str
) -> Selection:
    """Return a selection from the files of its folder."""
    try:
        device_of(device)
    except InvalidOptionError:  # it was made where there is such a device
        device = "cpu"
    folder = Path(mkdtemp())  # stays while the predictor does: its weights are read when needed
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found = load(folder, plugins=plugins, device=device)
    weakref.finalize(found.kept, shutil.rmtree, folder, ignore_errors=True)
    return found


def read_record(folder: str | Path) -> Record:
    """Return the record of a saved selection, without its predictor.

    Raises:
        InvalidOptionError: If the folder holds no selection.
    """
    path = Path(folder)
    if not (path / RECORD_FILE).is_file():
        raise InvalidOptionError(f"{path} holds no saved selection (no {RECORD_FILE})")
    with refused_as(InvalidOptionError, f"{path} holds a selection that cannot be read"):
        return replace(record_in(path / RECORD_FILE), model=str(path))
