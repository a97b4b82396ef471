"""What the commands print of the zero-shot scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotransfer.cli.groups import filled, titled
from autotransfer.cli.options import picked
from autotransfer.results import ZeroShotFigures, ZeroShotFindings
from autotransfer.scenarios.zero_shot.prediction import Explanation


def zero_shot_json(found: ZeroShotFindings) -> dict[str, Any]:
    """Return the object under `zero_shot` of `fit --json`."""
    return {
        **picked(found, "seen", "unseen"),
        "attributes": len(found.attributes),
        **({"describer": found.describer} if found.describer else {}),
        "stacking_offset": found.stacking_offset,
        "figures": [_figures_json(figures) for figures in found.figures],
        **picked(found, "p_value", "null_high", "pairs", "nearest_seen_class", "known_to_source",
                 "without_known", "own_head", "competitors"),
    }  # fmt: skip


def _figures_json(figures: ZeroShotFigures) -> dict[str, Any]:
    return {
        "basis": figures.basis,
        "U": figures.unseen,
        "S": figures.seen,
        "H": figures.harmonic,
        "AUSUC": figures.area,
        "unseen_alone": figures.alone,
        "curve": figures.curve,
    }


def zero_shot_text(found: ZeroShotFindings) -> list[str]:
    """Return the lines of `fit` about classes without images; none where nothing was tested."""
    if not found.figures:
        return []
    told = (
        f"nearest seen class {found.nearest_seen_class:.3f}; exchanged rows: 97.5 % below "
        f"{found.null_high:.3f}, p {found.p_value:.3f}"
    )
    lines = titled("rows", told)
    if found.describer:
        lines += titled("described", f"by sentences that {found.describer} reads")
    if found.known_to_source:
        without, named = found.without_known, ", ".join(found.known_to_source)
        rest = "fewer than two others" if without is None else f"{without:.3f} without them"
        head = "" if found.own_head is None else f", {found.own_head:.3f} by its own head"
        lines += titled("known", f"the source was trained on {named}: {rest}{head}")
    return [*lines, *(line for part in found.figures for line in _figures_text(part))]


def _figures_text(figures: ZeroShotFigures) -> list[str]:
    parts = [f"unseen alone {figures.alone:.3f}", f"among all U {figures.unseen:.3f}"]
    for name, value in (("S", figures.seen), ("H", figures.harmonic), ("AUSUC", figures.area)):
        if value is not None:
            parts.append(f"{name} {value:.3f}")
    told = f"{figures.basis}: {', '.join(parts)}"
    return filled(told, "  ", "    ")


def with_reasons(
    rows: Sequence[dict[str, Any]],
    explanations: Sequence[Explanation],
    zero_shot: ZeroShotFindings | None,
) -> list[dict[str, Any]]:
    """Return the rows of `predict` with the attributes of each image and what spoke for it."""
    if zero_shot is None or not explanations:
        return [{**row, "attributes": {}, "because": []} for row in rows]
    return [
        {
            **row,
            "attributes": dict(
                zip(zero_shot.attributes, map(float, found.attributes), strict=True)
            ),
            "because": [vars(reason) for reason in found.reasons],
        }
        for row, found in zip(rows, explanations, strict=True)
    ]


def reasons_text(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Return "water (image 41, class 88, others 12)", the strongest reason first."""
    return "; ".join(
        f"{reason['attribute']} (image {reason['image']:.3g}, class "
        f"{reason['described']:.3g}, others {reason['others']:.3g})"
        for reason in reasons
    )
