"""Whether transfer is worth trying: a forecast from what a ranking knows, before any training."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.data.image_set import ImageSet
from autotransfer.models.heads.ridge import leave_one_out
from autotransfer.models.predictors.plain import plain_rows
from autotransfer.models.source import Source
from autotransfer.results import Ranking
from autotransfer.transferability.ranking.race_rounds import stratified_order

MANY_LABELS = 500  # a class; from here on networks from scratch often catch up
FEW_PRETRAINING = 50_000  # items
MOST_ITEMS = 2000  # that are looked at without a source


def forecast(ranking: Ranking, sources: Sequence[Source], images: ImageSet) -> str:
    """Return one sentence or two, marked as a forecast; nothing where nothing is known.

    Compares, by leave-one-out, a linear probe on the best stage of the best source with a linear
    classifier of the raw pixels, counted words or statistics of the spectrum: what is there
    without any source. Sure is a difference of two standard errors.

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
    found = _plain_accuracy(images)
    if found is None:
        return ""
    name, pixels = found
    error = ((probe * (1 - probe) + pixels * (1 - pixels)) / row.num_images) ** 0.5
    if probe - pixels > 2 * error:
        said = "transfer is worth trying"
    else:
        said = "transfer may not help" if probe >= pixels else "transfer is likely to hurt"
    text = (
        f"forecast, not a test: {said}. Leave-one-out, a probe on {row.source} gets {probe:.3f} "
        f"right and {name} {pixels:.3f}"
    )
    source = next((s for s in sources if s.name == row.source), None)
    return text + "".join(_reservations(images, source))


def _plain_accuracy(items: ImageSet) -> tuple[str, float] | None:
    """Return what items say by themselves, and its leave-one-out accuracy on a sample of many.

    None where they say nothing by themselves.
    """
    if len(items) > MOST_ITEMS:
        items = items.subset(stratified_order(items.labels, 0)[:MOST_ITEMS])
    plain = plain_rows(items)
    if plain is None:
        return None
    (name, rows), K = plain, len(items.class_names)
    scores = leave_one_out(rows, items.labels, K).scores  # (p, n, K)
    return name, float((scores.argmax(axis=2) == items.labels).mean(axis=1).max())


def _reservations(images: ImageSet, source: Source | None) -> list[str]:
    found = []
    per_class = len(images) / len(images.class_names)
    if per_class >= MANY_LABELS:
        found.append(f". With {per_class:.0f} labels a class a network from scratch may catch up")
    size = None if source is None else source.num_pretraining_images
    if size is not None and size < FEW_PRETRAINING:
        found.append(f". That source has learnt from {size} items only")
    return found
