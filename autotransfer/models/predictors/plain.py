"""What items say by themselves: the rows that a first look at them has without any source."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.item_kinds import described
from autotransfer.data.modality import Modality
from autotransfer.models.predictors.pixels import describe
from autotransfer.models.predictors.spectra import describe_sounds
from autotransfer.models.predictors.words import word_counts

MOST_WORDS = 2000  # and as many runs of letters
_SMALLEST = 1e-9  # standard deviation


def _standardised(given: NDArray[np.floating]) -> NDArray[np.floating]:
    rows = given.astype(np.float64)
    found: NDArray[np.floating] = (rows - rows.mean(0)) / np.maximum(rows.std(0), _SMALLEST)
    return found


def plain_rows(items: ImageSet) -> tuple[str, NDArray[np.floating]] | None:
    """Return what items say by themselves, what it is called and (n, d); None for nothing.

    Args:
        items: Labels are not read.
    """
    if items.modality in _PLAIN:
        name, rows_of = _PLAIN[items.modality]
        return name, rows_of(items)
    rows = described(items)
    if rows is None:
        return None
    return f"numbers about the {items.modality.plural}", _standardised(rows)


# What it is called in a sentence, and what makes the (n, d) rows.
_PLAIN: Mapping[Modality, tuple[str, Callable[[ImageSet], NDArray[np.floating]]]] = {
    Modality.IMAGE: ("the raw pixels", lambda images: describe(images, ("raw",))["raw"]),
    Modality.TEXT: ("counted words", lambda texts: word_counts(texts, MOST_WORDS)),
    Modality.SOUND: (
        "statistics of the spectrum",
        lambda sounds: _standardised(describe_sounds(sounds)["log-mel"]),
    ),
}
