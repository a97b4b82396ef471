"""From a finished fit to its report: what each scenario has to show, and writing it safely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, OUT_OF_FOLD
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.models.calibration import tempered
from autotransfer.models.scoring import logit_adjusted, predicted
from autotransfer.report import Material, Predicted
from autotransfer.results import Outcome, Record
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.finalists import Finalist, Finalists

LEARNT, UNLABELLED, SOURCE = "training images", "images without labels", "source images"
VALIDATION = "validation images"


@dataclass(frozen=True)
class Ended:
    """A fit with labels that has ended; it knows what its report is made from.

    Args:
        finalists: The images of the search and the folder of its trials.
        visible: Whether the items are images.
    """

    finalists: Finalists
    division: Division
    finalist: Finalist
    outcomes: Sequence[Outcome]
    kept: Checkpoint
    visible: bool = True

    def material(self, record: Record) -> Material:
        """Return what the report is made from; predictions are made when a section asks."""
        context, kept = self.finalists.context, self.kept
        source = self.finalists.arms.source(record.finalist.source)
        features = context.readers[source]
        domains = {}
        if context.source_images is not None and self.visible:
            domains = {LEARNT: context.images, SOURCE: context.source_images}
        tested = cache(lambda: self._tested(record))
        return Material(
            record,
            images=self._images(),
            tested=tested,
            checked=tested if self.division.held_out is None else cache(self._validation),
            unlabelled=UNLABELLED,
            predict=lambda images: kept.predict(images, context.reader_of(kept.source)),
            features=features if self.visible else None,
            embeddings={f"features of {source.name}": features} if domains else {},
            domains=domains,
            visible=self.visible,
        )

    def _images(self) -> dict[str, ImageSet]:
        if not self.visible:
            return {}
        context = self.finalists.context
        found = {
            LEARNT: context.images,
            VALIDATION: context.validation,
            HELD_OUT_ITEMS: self.division.held_out,
            SOURCE: context.source_images,
            UNLABELLED: context.unlabelled,
        }
        return {title: images for title, images in found.items() if images}

    def _tested(self, record: Record) -> Predicted | None:
        """Return what the verdict rests on, as nearly as what is kept can say it."""
        held_out = self.division.held_out
        baseline = record.verdict.returned == "baseline"
        if held_out is None:
            subject = "the finalist, which is not returned" if baseline else "the finalist"
            return self._out_of_fold(subject)
        context, kept = self.finalists.context, self.kept
        num_classes = len(context.images.class_names)
        said = predicted(kept.predictor, held_out, context.reader_of(kept.source), num_classes)
        raw = logit_adjusted(said, context.class_weights)
        subject = "the baseline that is returned" if baseline else "the finalist"
        return Predicted(subject, HELD_OUT_ITEMS, held_out, tempered(raw, kept.temperature), raw)

    def _validation(self) -> Predicted | None:
        """Return the images that validated, said by what did not learn from them."""
        trials = self.finalists.place.validations(self.outcomes)
        choice = self.finalist.choice
        if not choice.weights.keys() <= trials.keys():
            return None
        said = tempered(choice.mix(trials), self.finalist.temperature)
        return Predicted("the finalist", VALIDATION, self._validated, said)

    def _out_of_fold(self, subject: str) -> Predicted | None:
        trials = self.finalists.candidates(self.outcomes)
        if not trials:
            return None
        images, folds = self._validated, self.finalists.folds
        found = select_out_of_fold(
            trials,
            folds,
            images.labels,
            self.finalists.terms(self.outcomes),
            allowed=self.finalist.alone_in(len(np.unique(folds))),
        )
        return Predicted(subject, OUT_OF_FOLD, images, found.probabilities, found.raw)

    @property
    def _validated(self) -> ImageSet:
        """Return the images of the kept predictions in their order."""
        context = self.finalists.context
        if context.validation is not None:
            return context.validation
        return context.images.subset(np.concatenate([fold.validation for fold in context.folds]))
