"""From a finished fit to its report: what each setting has to show, and writing it safely."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import ReportWarning
from autotransfer.guard.evaluation_split import OUT_OF_FOLD, SEALED
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.models.calibration import tempered
from autotransfer.models.features import FeatureReaders
from autotransfer.models.scoring import predicted, weighted
from autotransfer.report import Material, Predicted, write_report
from autotransfer.results import Outcome, Record, Setting
from autotransfer.search.checkpoint import Kept
from autotransfer.search.refit import Finalist, Finishing
from autotransfer.selection.selection import Selection

LEARNT, UNLABELLED, SOURCE = "training pictures", "pictures without labels", "source pictures"
VALIDATION, TARGET = "validation pictures", "target pictures"
MOST_SECONDS = 120.0  # for a report, where nothing else limits it

Gather = Callable[[Record], Material]


@dataclass(frozen=True)
class Ended:
    """A fit with labels that has ended; it knows what its report is made from.

    Args:
        finishing: The pictures of the search and the folder of its trials.
        division: Who was sealed.
        finalist: What the search chose.
        outcomes: Everything that was tried.
        kept: What is returned.
        visible: Whether the items are pictures.
    """

    finishing: Finishing
    division: Division
    finalist: Finalist
    outcomes: Sequence[Outcome]
    kept: Kept
    visible: bool = True

    def material(self, record: Record) -> Material:
        """Return what the report is made from; predictions are made when a section asks."""
        arena, kept = self.finishing.arena, self.kept
        if record.setting == Setting.DESCRIBED:
            return Material(record, pictures=self._pictures())
        source = self.finishing.arms.source(record.finalist.source)
        features = arena.readers[source]
        domains = {}
        if arena.source_images is not None and self.visible:
            domains = {LEARNT: arena.images, SOURCE: arena.source_images}
        return Material(
            record,
            pictures=self._pictures(),
            tested=cache(lambda: self._tested(record)),
            checked=cache(lambda: self._checked(record)),
            unlabelled=UNLABELLED,
            predict=lambda images: kept.predict(images, arena.reader_of(kept.source)),
            features=features if self.visible else None,
            embeddings={f"features of {source.name}": features} if domains else {},
            domains=domains,
            visible=self.visible,
        )

    def _pictures(self) -> dict[str, ImageSet]:
        if not self.visible:
            return {}
        arena = self.finishing.arena
        found = {
            LEARNT: arena.images,
            VALIDATION: arena.validation,
            SEALED: self.division.sealed,
            SOURCE: arena.source_images,
            UNLABELLED: arena.unlabelled,
        }
        return {title: images for title, images in found.items() if images}

    def _tested(self, record: Record) -> Predicted | None:
        """Return what the verdict rests on, as nearly as what is kept can say it."""
        sealed = self.division.sealed
        baseline = record.verdict.returned == "baseline"
        if sealed is None:
            subject = "the finalist, which is not returned" if baseline else "the finalist"
            return self._out_of_fold(subject)
        arena, kept = self.finishing.arena, self.kept
        num_classes = len(arena.images.class_names)
        said = predicted(kept.predictor, sealed, arena.reader_of(kept.source), num_classes)
        raw = weighted(said, arena.class_weights)
        subject = "the baseline that is returned" if baseline else "the finalist"
        return Predicted(subject, SEALED, sealed, tempered(raw, kept.temperature), raw)

    def _checked(self, record: Record) -> Predicted | None:
        """Return the pictures that validated, said by what did not learn from them."""
        if self.division.sealed is None:
            return self._tested(record)
        trials = self._validations()
        choice = self.finalist.choice
        if not choice.weights.keys() <= trials.keys():
            return None
        said = tempered(choice.mix(trials), self.finalist.temperature)
        return Predicted("the finalist", VALIDATION, self._validated()[0], said)

    def _out_of_fold(self, subject: str) -> Predicted | None:
        trials = self.finishing.candidates(self.outcomes)
        if not trials:
            return None
        images, folds = self._validated()
        found = select_out_of_fold(
            trials,
            folds,
            images.labels,
            self.finishing.terms(self.outcomes),
            allowed=self.finalist.alone_in(len(np.unique(folds))),
        )
        return Predicted(subject, OUT_OF_FOLD, images, found.probabilities, found.raw)

    def _validations(self) -> Mapping[int, NDArray[np.float64]]:
        return self.finishing.place.validations(self.outcomes)

    def _validated(self) -> tuple[ImageSet, NDArray[np.int64]]:
        """Return the pictures of the kept predictions in their order, and the fold of each."""
        arena = self.finishing.arena
        if arena.validation is not None:
            return arena.validation, np.zeros(len(arena.validation), dtype=np.int64)
        parts = [fold.validation for fold in arena.folds]
        folds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return arena.images.subset(np.concatenate(parts)), folds


def material_without_labels(
    record: Record,
    readers: FeatureReaders,
    learnt: Mapping[str, ImageSet],
    held_out: Mapping[str, ImageSet],
    returned: Kept,
    predictors: Mapping[str, Kept],
) -> Material:
    """Return what the report of a fit without target labels is made from.

    Args:
        record: What was found.
        readers: Features of the sources.
        learnt: Source and target pictures that were learnt from, under their names.
        held_out: Those that were held back, under the same names.
        returned: What is returned.
        predictors: Source-only first, then the finalist where it adapts, by what they are
            called.
    """

    def embedded(kept: Kept) -> Callable[[ImageSet], NDArray[np.float64]]:
        assert kept.source is not None
        reader = readers[kept.source]
        return lambda images: kept.predictor.embed(images, reader)

    def checked() -> Predicted:
        title, plain = next(iter(predictors.items()))
        assert plain.source is not None
        images = held_out[SOURCE]
        said = plain.predict(images, readers[plain.source])
        return Predicted(title, "held-out source pictures", images, said)

    source = returned.source
    assert source is not None
    return Material(
        record,
        pictures=dict(learnt),
        checked=cache(checked),
        unlabelled=TARGET,
        predict=lambda images: returned.predict(images, readers[source]),
        features=readers[source],
        embeddings={title: embedded(kept) for title, kept in predictors.items()},
        domains=dict(held_out),
    )


def with_report(
    selection: Selection, folder: Path, gather: Gather, deadline: float | None
) -> Selection:
    """Write the report beside a saved selection; whatever fails, the selection stays.

    Args:
        selection: Saved already.
        folder: Where.
        gather: Returns what the report is made from.
        deadline: `time.monotonic()` at which it has to be there; None is two minutes from now.

    Returns:
        The selection, its warnings naming what the report lacks.
    """
    until = time.monotonic() + MOST_SECONDS
    if deadline is not None:
        until = min(until, deadline)
    try:
        faults = write_report(folder, gather(selection.record), until)
    except Exception as error:  # noqa: BLE001 - a third party's code
        faults = (f"no report was written ({type(error).__name__}: {error})",)
    if not faults:
        return selection
    for fault in faults:
        warnings.warn(fault, ReportWarning, stacklevel=3)
    record = replace(selection.record, warnings=(*selection.record.warnings, *faults))
    found = replace(selection, record=record)
    found.save(folder)
    return found
