"""What a strategy or an estimator may need of a problem."""

from __future__ import annotations

from enum import StrEnum


class Need(StrEnum):
    """What a strategy or an estimator cannot do without."""

    SOURCE_IMAGES = "source images"
    SOURCE_HEAD = "source head"
    TARGET_LABELS = "target labels"
    UNLABELLED_TARGET = "unlabelled target"
    ATTRIBUTES = "attributes"
    DESCRIPTIONS = "descriptions"
    COMPANIONS = "other sources"
    INTERMEDIATES = "intermediate items"
