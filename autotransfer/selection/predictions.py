"""Predicting with what a fit returned: probabilities, names, a table, reasons and rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_images
from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import CorruptImagesError, InvalidOptionError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.open_set import MORE_PROBABLY, NONE_OF_THESE
from autotransfer.models.out_of_distribution import SHARE
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.unknown_share import FEWEST, Unknown
from autotransfer.plugin.zero_shot import AttributePredictor
from autotransfer.results import Record, ZeroShotFindings
from autotransfer.scenarios.zero_shot.prediction import (
    Explanation,
    competing,
    explain,
    probabilities,
)
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.taps import Tap
from autotransfer.tracking.columns import answer_columns

if TYPE_CHECKING:
    import pandas as pd

PIXEL_BYTES = 1 << 30
_LEAVE_OUT = "repair or remove them, or leave them out: predict_table(images, on_bad_image='skip')"


@dataclass(frozen=True)
class Predictions:
    """What a selection answers about further items.

    Items come in any form that `fit` takes, and there is one answer for each, in this order:
    arrays, lists, datasets and the rows of a table in their own, a repeated row again; files
    below a folder or in an archive in bytewise path order.
    """

    record: Record
    kept: Checkpoint
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

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
        items, reader = self._opened(images)
        with self._answering():
            if zero_shot is None or isinstance(images, Mapping):
                found = self.kept.predict(items, reader)
            else:
                found = probabilities(
                    self.kept.predictor, items, reader, zero_shot, generalised=generalised
                )
            names = self.competing_classes(generalised=generalised)
            # without the findings of a test, or images, it answers for all classes of its table
            whole = isinstance(self.kept.predictor, AttributePredictor) and (
                zero_shot is None or isinstance(images, Mapping)
            )
            _check_answer(found, found.shape[-1] if whole else len(names))
        return found

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
        items, reader = self._opened(images)
        winners = self.predict_proba(items, generalised=generalised).argmax(axis=1)
        with self._answering():
            return explain(
                self.kept.predictor, items, reader, zero_shot, winners, generalised=generalised
            )

    def _zero_shot_for(self, generalised: bool) -> ZeroShotFindings | None:  # noqa: FBT001 - handed on
        if generalised and self.record.zero_shot is None:
            raise InvalidOptionError(
                "generalised prediction needs a selection that was fitted on attributes; all "
                "classes of this one compete anyway"
            )
        return self.record.zero_shot

    def _opened(
        self, images: Any, on_bad_image: str | None = None
    ) -> tuple[ImageSet, FeatureReader]:
        """Return items in any form as a set, and what reads them."""
        source, readers = self.kept.source, self._readers
        if isinstance(images, Mapping):
            matrices = Matrices.of(images)
            items, readers = matrices.items, MatrixReaders(matrices)
        else:
            items = self._images(images, on_bad_image)
        return items, NO_FEATURES if source is None else readers[source]

    def feature_blocks(self, images: Any, taps: Sequence[Tap]) -> list[NDArray[np.float32]]:
        """Return for each tap the (n, d) frozen features of items, read once.

        Args:
            images: In any form that `predict_proba` takes.
            taps: The sources and their stages.
        """
        items, reader = self._opened(images)
        return [reader.of(tap.source)(items, tap.stage) for tap in taps]

    def _images(self, images: Any, on_bad_image: str | None = None) -> ImageSet:
        """Return images read as those of the fit were, whatever their own grey values are."""
        rule = None if on_bad_image == "stop" else on_bad_image  # the way out is told here
        kind = Modality(self.record.modality)
        try:
            return open_images(images, on_bad_image=rule, depth=self.record.depth, modality=kind)
        except CorruptImagesError as error:
            if error.remedy != CorruptImagesError.REMEDY:
                raise  # no image is left
            raise CorruptImagesError(error.problems, _LEAVE_OUT, kind) from None

    def _answering(self) -> AbstractContextManager[None]:
        """Return a block that tells of a model which its files do not let answer."""
        return refused_as(
            InvalidOptionError,
            f"the model {self.record.model or self.record.name} cannot answer; it is damaged, or "
            "was made with other plugins",
        )

    def predict(self, images: Any, *, abstain: bool | float = False) -> NDArray[np.str_]:
        """Return the (n,) names of the most probable classes.

        Args:
            images: The items.
            abstain: Whether to reject what is none of the classes, whose name is ""; see
                `abstains`. A share in (0, 1) judges each item by itself.

        Raises:
            InvalidOptionError: If there is no reject option; see `abstains`.
        """
        names: NDArray[np.str_] = np.array(self.class_names)
        opened = images if isinstance(images, Mapping) else self._images(images)
        best: NDArray[np.str_] = names[self.predict_proba(opened).argmax(axis=1)]
        if abstain is not False:
            best[self.abstains(opened, None if abstain is True else abstain)] = ""
        return best

    def predict_table(
        self,
        images: Any,
        *,
        generalised: bool = False,
        abstain: bool | float = False,
        on_bad_image: str = "stop",
    ) -> pd.DataFrame:
        """Return a table with one row an item, whose index is its path, or its number as text.

        The index is called image, or item where they are none. The columns are class, probability,
        and the probability of every class under its name (see `answer_columns`); with
        `abstain` also unknown, the probability to be none of the classes, and abstained, whether
        the item is rejected: its class is then "None of these".

        Args:
            images: The items.
            generalised: As for `predict_proba`.
            abstain: As for `predict`.
            on_bad_image: "skip" leaves out the rows of images that cannot be decoded; a
                `DataWarning` names them.
        """
        import pandas as pd

        items, _ = self._opened(images, on_bad_image)
        given = images if isinstance(images, Mapping) else items  # decoded and checked once
        found = self.predict_proba(given, generalised=generalised)
        table = answer_table(self.competing_classes(generalised=generalised), found)
        if abstain is not False:
            unknown, out = self.judged_unknown(given, None if abstain is True else abstain)
            table.loc[out, "class"] = NONE_OF_THESE
            table["unknown"], table["abstained"] = unknown.probability, out
        table.index = pd.Index(items.names, name=item_name(items.modality))
        return table

    def abstains(self, images: Any, share: float | None = None) -> NDArray[np.bool_]:
        """Return (n,) whether each item is none of the classes.

        Args:
            images: The items.
            share: Of items like those of the fit, how many are rejected; each item is judged by
                itself. None judges 50 items or more together: one is rejected where it is more
                probably unknown than not (see `unknown`), none where all may be known. Fewer
                are judged by themselves at 0.05.

        Raises:
            InvalidOptionError: If what is returned reads no network, was saved without a reject
                option, the fit had too few items for the share, or without target labels did
                not find out how many are unknown.
        """
        return self.judged_unknown(images, share)[1]

    def unknown(self, images: Any) -> Unknown:
        """Return how many items at least are none of the classes, and how probably each is.

        Fewer than 50 items tell nothing: the limit and all probabilities are 0. A fit without
        target labels judges each item by itself, by what it has found, and has no limit.

        Args:
            images: The items, which are judged together.

        Raises:
            InvalidOptionError: If there is no reject option; see `abstains`.
        """
        return self.judged_unknown(images)[0]

    def judged_unknown(
        self, images: Any, share: float | None = None
    ) -> tuple[Unknown, NDArray[np.bool_]]:
        """Return the answers of `unknown` and of `abstains`, from one pass over the items.

        Args:
            images: The items.
            share: As for `abstains`.
        """
        rejection, open_set = self.kept.rejection, self.kept.open_set
        if open_set is not None and share is None:
            items, _ = self._opened(images)
            with self._answering():
                probability, out = open_set.judged(self._readers[open_set.source](items))
            return Unknown(0.0, probability), out
        if rejection is None or self.record.zero_shot is not None:
            raise InvalidOptionError(self._no_rejection(share))
        items, reader = self._opened(images)
        with self._answering():
            features = reader(items)
            found = rejection.unknown(features)
            if share is None and len(found.probability) >= FEWEST:
                return found, found.probability > MORE_PROBABLY
            return found, rejection.rejected(features, SHARE if share is None else share)

    def _no_rejection(self, share: float | None) -> str:
        if self.record.zero_shot is not None:
            return f"there is no reject option in the {self.record.scenario} setting"
        if self.kept.open_set is not None:
            return (
                f"abstain={share} rejects a share of known images, which are not known in the "
                "unlabelled setting; give abstain=True"
            )
        if self.record.scenario == "unlabelled":
            seen = self.record.open_world
            if seen is None or seen.unknown is None:
                return "there is no reject option: no pretrained source has looked at the target"
            return f"there is no reject option: {seen.unknown.told_of()}"
        if self.kept.source is None:
            return (
                f"there is no reject option: the baseline {self.kept.strategy!r} was returned, "
                "which reads no network"
            )
        return "this selection was saved without a reject option; fit again to get one"

    @cached_property
    def _readers(self) -> FeatureReaders:
        return FeatureReaders(FeatureStore(), PixelStore(PIXEL_BYTES), load_backbone, self.device)


def item_name(modality: Modality) -> str:
    """Return what the column is called that names the items of a table of answers.

    Args:
        modality: What the items are; images have a name of their own.
    """
    return "image" if modality is Modality.IMAGE else "item"


def answer_table(classes: Sequence[str], found: NDArray[np.float64]) -> pd.DataFrame:
    """Return the answers as a table; the columns are those of `answer_columns`.

    Args:
        classes: Names of the K classes.
        found: (n, K) probabilities.
    """
    import pandas as pd

    best = np.array(classes, dtype=object)[found.argmax(axis=1)]
    values = [best, found.max(axis=1), *found.T]
    return pd.DataFrame(dict(zip(answer_columns(classes), values, strict=True)))


def _check_answer(found: NDArray[np.float64], num_classes: int) -> None:
    """Refuse what is no (n, K) finite probabilities."""
    if found.ndim != 2 or found.shape[1] != num_classes:
        raise ValueError(f"it answers for {found.shape[1:]} classes and names {num_classes}")
    if not np.isfinite(found).all():
        raise ValueError("its probabilities are NaN or infinite")
