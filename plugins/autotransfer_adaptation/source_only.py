"""Source-only: training on the labelled source images, the target unseen."""

from __future__ import annotations

from autotransfer_adaptation.two_domains import TwoDomains


class SourceOnly(TwoDomains):
    """Cross-entropy on source images: what every other method must beat.

    From 190 source images of digits a quarter of the steps is as good, so few images are not
    shown more often.
    """

    name = "source-only"
    needs = frozenset()
    target_statistics = False
    most_passes = 50
    shifts_source_features = False
