"""Whether transfer is worth trying: a forecast from what a ranking knows, before any training."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.data.image_set import ImageSet
from autotransfer.models.heads.ridge import leave_one_out
from autotransfer.models.predictors.pixels import describe
from autotransfer.models.source import Source
from autotransfer.results import Ranking
from autotransfer.transferability.ranking.race_rounds import stratified_order

MANY_LABELS = 500  # a class; from here on networks from scratch often catch up
FEW_PRETRAINING = 50_000  # items
MOST_IMAGES = 2000  # for the raw pixels


def forecast(ranking: Ranking, sources: Sequence[Source], images: ImageSet) -> str:
    """Return one sentence or two, marked as a forecast; nothing where nothing is known.

    Compares, by leave-one-out, a linear probe on the best stage of the best source with a linear
    classifier of the raw pixels: what is there without any source. Sure is a difference of two
    standard errors.

    Args:
        ranking: Of the sources.
        sources: The candidates.
        images: The labelled items that were ranked on.
    """
    known = [
        (max(a for a in row.stage_accuracies if a is not None), row)
        for row in ranking.rows
        if row.source in ranking.shortlist and any(a is not None for a in row.stage_accuracies)
    ]
    if not known:
        return ""
    probe, row = max(known, key=lambda pair: pair[0])
    pixels = _pixel_accuracy(images)
    error = ((probe * (1 - probe) + pixels * (1 - pixels)) / row.num_images) ** 0.5
    if probe - pixels > 2 * error:
        said = "transfer is worth trying"
    else:
        said = "transfer may not help" if probe >= pixels else "transfer is likely to hurt"
    text = (
        f"forecast, not a test: {said}. Leave-one-out, a probe on {row.source} gets {probe:.3f} "
        f"right and the raw pixels {pixels:.3f}"
    )
    source = next((s for s in sources if s.name == row.source), None)
    return text + "".join(_reservations(images, source))


def _pixel_accuracy(images: ImageSet) -> float:
    """Return the leave-one-out accuracy of the raw pixels, on a sample of many items."""
    if len(images) > MOST_IMAGES:
        images = images.subset(stratified_order(images.labels, 0)[:MOST_IMAGES])
    rows = describe(images, ("raw",))["raw"]
    scores = leave_one_out(rows, images.labels, len(images.class_names)).scores  # (p, n, K)
    return float((scores.argmax(axis=2) == images.labels).mean(axis=1).max())


def _reservations(images: ImageSet, source: Source | None) -> list[str]:
    found = []
    per_class = len(images) / len(images.class_names)
    if per_class >= MANY_LABELS:
        found.append(f". With {per_class:.0f} labels a class a network from scratch may catch up")
    size = None if source is None else source.num_pretraining_images
    if size is not None and size < FEW_PRETRAINING:
        found.append(f". That source has learnt from {size} items only")
    return found
