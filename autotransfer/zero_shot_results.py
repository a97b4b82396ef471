"""The records of what a fit found on classes without items."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ZeroShotFigures:
    """Figures of zero-shot predictions; per-class top-1, in [0, 1].

    Args:
        basis: What they rest on ("held-out classes", "held-out items").
        unseen: U, of the unseen classes' items where all classes compete, calibrated.
        seen: S, of the seen classes' items; None, as what follows, where there are none.
        harmonic: H, their harmonic mean.
        area: AUSUC, the area under the seen-unseen curve.
        alone: Of the unseen classes' items where only unseen classes compete.
        curve: (U, S) points of the seen-unseen curve, thinned out; empty for a mean of curves.
    """

    basis: str
    unseen: float
    seen: float | None
    harmonic: float | None
    area: float | None
    alone: float
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ZeroShotFindings:
    """What a fit of the zero-shot scenario found beside its verdict.

    Args:
        values: Rows of all classes, the seen ones first, in the units of the table.
        stacking_offset: What is subtracted from the scores of seen classes when all compete.
        inverse_temperature: Factor of the scores before the softmax.
        figures: Held-out classes first, then held-out items where there are some.
        p_value: Share of exchanged tables that do as well, best penalties in each.
        null_high: Score that 97.5 % of the exchanged tables stay below.
        pairs: Number of held-out pairs; 0 where held-out items were tested.
        nearest_seen_class: Score of naming a seen class and taking the class whose row is most
            like its row, on the same items.
        known_to_source: Classes that the source was trained on, by name, of those tested.
        without_known: Score without those classes; None where fewer than two are left.
        own_head: Score of the source's own head among those; None where it knows fewer than two.
        competitors: Number of further trials that the null takes the best of.
        describer: Name of the source of texts whose features of descriptions the rows are; empty
            for a table of numbers.
    """

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    attributes: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    stacking_offset: float
    inverse_temperature: float
    figures: tuple[ZeroShotFigures, ...]
    p_value: float
    null_high: float
    pairs: int
    nearest_seen_class: float
    known_to_source: tuple[str, ...]
    without_known: float | None
    own_head: float | None
    competitors: int = 0
    describer: str = ""
