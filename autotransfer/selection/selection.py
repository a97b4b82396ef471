"""What `fit` returns: a predictor, everything that was found, and how to keep both.

A selection folder is a saved predictor (see `saved_predictor`) with `selection.json`, the
record of the fit, beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_images
from autotransfer.errors import ExportError, InvalidOptionError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.out_of_distribution import SHARE
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.plugin.registry import Registry, discover
from autotransfer.results import (
    RECORD_FILE,
    Outcome,
    Ranking,
    Record,
    Skipped,
    Verdict,
    ZeroShotFindings,
)
from autotransfer.scenarios.zero_shot.prediction import (
    Explanation,
    competing,
    explain,
    probabilities,
)
from autotransfer.search.checkpoint import (
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
    write_json,
)
from autotransfer.search.record_file import record_in, record_to_json
from autotransfer.selection.export import export_onnx

PIXEL_BYTES = 1 << 30


@dataclass(frozen=True)
class Selection:
    """The answer of a fit.

    Args:
        record: Everything that was found.
        kept: The predictor that is returned.
        device: Where to compute.
    """

    record: Record
    kept: Checkpoint
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def verdict(self) -> Verdict:
        """Return what the guard found."""
        return self.record.verdict

    @property
    def best(self) -> Outcome:
        """Return the outcome of the finalist, whatever is returned."""
        return self.record.finalist

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

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the K columns of the probabilities."""
        return self.record.class_names

    def predict_proba(self, images: Any, *, generalised: bool = False) -> NDArray[np.float64]:
        """Return the (n, K) class probabilities of items, in any form that `fit` takes.

        A selection from `fit_features` takes `{"source name": (n, d) features, ...}`.

        Args:
            images: The items.
            generalised: In the zero-shot scenario, whether classes with items compete as well;
                the columns are then those of `competing_classes(generalised=True)`.
        """
        zero_shot = self._zero_shot_for(generalised)
        if isinstance(images, Mapping):
            return self._from_matrices(Matrices.of(images))
        opened = images if isinstance(images, ImageSet) else open_images(images)
        if zero_shot is not None:
            return probabilities(
                self.kept.predictor, opened, self._reader, zero_shot, generalised=generalised
            )
        return self.kept.predict(opened, self._reader)

    def competing_classes(self, *, generalised: bool = False) -> tuple[str, ...]:
        """Return the names of the columns of `predict_proba`."""
        zero_shot = self._zero_shot_for(generalised)
        if zero_shot is None:
            return self.class_names
        return competing(zero_shot, generalised=generalised)

    def explain(self, images: Any, *, generalised: bool = False) -> list[Explanation]:
        """Return, in the zero-shot scenario, the attributes that spoke for each answer.

        Raises:
            InvalidOptionError: In other scenarios.
        """
        zero_shot = self.record.zero_shot
        if zero_shot is None:
            raise InvalidOptionError("explanations need a selection that was fitted on attributes")
        opened = images if isinstance(images, ImageSet) else open_images(images)
        winners = self.predict_proba(opened, generalised=generalised).argmax(axis=1)
        return explain(
            self.kept.predictor,
            opened,
            self._reader,
            zero_shot,
            winners,
            generalised=generalised,
        )

    def _zero_shot_for(self, generalised: bool) -> ZeroShotFindings | None:  # noqa: FBT001 - handed on
        if generalised and self.record.zero_shot is None:
            raise InvalidOptionError(
                "generalised prediction needs a selection that was fitted on attributes; all "
                "classes of this one compete anyway"
            )
        return self.record.zero_shot

    @property
    def _reader(self) -> FeatureReader:
        source = self.kept.source
        return NO_FEATURES if source is None else self._readers[source]

    def _from_matrices(self, matrices: Matrices) -> NDArray[np.float64]:
        source, readers = self.kept.source, MatrixReaders(matrices)
        reader = NO_FEATURES if source is None else readers[source]
        return self.kept.predict(matrices.items, reader)

    def predict(self, images: Any, *, abstain: bool | float = False) -> NDArray[np.str_]:
        """Return the (n,) names of the most probable classes.

        Args:
            images: The items.
            abstain: The share of known items that may be rejected, in (0, 1); True is 0.05.
                A rejected item is none of the classes: its name is "".

        Raises:
            InvalidOptionError: If there is no reject option; see `abstains`.
        """
        names: NDArray[np.str_] = np.array(self.class_names)
        opened = images if isinstance(images, Mapping | ImageSet) else open_images(images)
        best: NDArray[np.str_] = names[self.predict_proba(opened).argmax(axis=1)]
        if abstain is not False:
            best[self.abstains(opened, SHARE if abstain is True else abstain)] = ""
        return best

    def abstains(self, images: Any, share: float = SHARE) -> NDArray[np.bool_]:
        """Return (n,) whether each item is none of the classes.

        Args:
            images: The items.
            share: Of items like those of the fit, how many are rejected.

        Raises:
            InvalidOptionError: If what is returned reads no network, was saved without a reject
                option, or the fit had too few items for the share.
        """
        if self.kept.rejection is None or self.record.zero_shot is not None:
            raise InvalidOptionError(self._no_rejection())
        if isinstance(images, Mapping):
            matrices = Matrices.of(images)
            assert self.kept.source is not None
            found = MatrixReaders(matrices)[self.kept.source](matrices.items)
        else:
            opened = images if isinstance(images, ImageSet) else open_images(images)
            found = self._reader(opened)
        return self.kept.rejection.rejected(found, share)

    def _no_rejection(self) -> str:
        if self.record.zero_shot is not None or self.record.scenario == "unlabelled":
            return f"there is no reject option in the {self.record.scenario} setting"
        if self.kept.source is None:
            return (
                f"there is no reject option: the baseline {self.kept.strategy!r} was returned, "
                "which reads no network"
            )
        return "this selection was saved without a reject option; fit again to get one"

    def to_onnx(self, path: str | Path) -> Path:
        """Write an ONNX file that takes decoded items; its answers are compared with ours.

        Needs the extra `autotransfer[onnx]`.

        Args:
            path: File to write. Its input is uint8 (n, h, w, 3), upright RGB of any one size;
                its output float32 (n, K), the probabilities of `class_names`.

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

    @cached_property
    def _readers(self) -> FeatureReaders:
        return FeatureReaders(FeatureStore(), PixelStore(PIXEL_BYTES), load_backbone, self.device)


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
        device: Where to compute.
        registry: What is installed; None discovers it.

    Raises:
        InvalidOptionError: If the folder holds no selection.
        UnknownNameError: If the strategy is not installed.
    """
    path = Path(folder)
    record = read_record(path)
    registry = registry or discover(files=[Path(plugin) for plugin in plugins])
    try:
        kept = read_checkpoint(path, registry)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise _unreadable(path, error) from error
    return Selection(record, kept, torch.device(device))


def read_record(folder: str | Path) -> Record:
    """Return the record of a saved selection, without its predictor.

    Raises:
        InvalidOptionError: If the folder holds no selection.
    """
    path = Path(folder)
    if not (path / RECORD_FILE).is_file():
        raise InvalidOptionError(f"{path} holds no saved selection (no {RECORD_FILE})")
    try:
        record = record_in(path / RECORD_FILE)
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    return replace(record, model=str(path))


def _unreadable(path: Path, error: Exception) -> InvalidOptionError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InvalidOptionError(f"{path} holds a selection that cannot be read ({reason})")
