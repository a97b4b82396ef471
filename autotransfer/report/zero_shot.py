"""Classes without images: what the zero-shot predictions are worth."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.data.modality import plural_of
from autotransfer.report.figures import COLOURS, figure
from autotransfer.report.markup import joined, names, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import ZeroShotFigures, ZeroShotFindings


def zero_shot_section(material: Material) -> Markup | None:
    """Return the figures of the zero-shot scenario; None in other scenarios."""
    found = material.record.zero_shot
    if found is None:
        return None
    kind = plural_of(material.record.modality)
    seen = paragraph(Markup("Classes with {}: {}.").format(kind, names(found.seen)))
    unseen = paragraph(Markup("Classes without: {}.").format(names(found.unseen)))
    if not found.figures:  # nothing was tested
        return joined([seen, unseen])
    rows = [(f.basis, f.alone, f.unseen, f.seen, f.harmonic, f.area) for f in found.figures]
    head = ("tested on", "unseen alone", "U", "S", "H", "AUSUC")
    parts = [
        seen,
        unseen,
        table(head, rows, "Per-class top-1 in [0, 1]"),
        paragraph(
            f"U: {kind} of unseen classes where all classes compete. S: those of seen classes. "
            "H: their harmonic mean. AUSUC: the area under the curve of both.",
            "quiet",
        ),
        paragraph(
            f"With exchanged attribute rows the score stays below {found.null_high:.3f} in 97.5 % "
            f"of the cases (p = {found.p_value:.3f}); naming the nearest seen class scores "
            f"{found.nearest_seen_class:.3f}."
        ),
        _known(found),
        *(_curve(figures, i) for i, figures in enumerate(found.figures) if len(figures.curve) > 1),
    ]
    return joined(parts)


def _known(found: ZeroShotFindings) -> Markup:
    if not found.known_to_source:
        return Markup("")
    without = found.without_known
    rest = "fewer than two others are left" if without is None else f"{without:.3f} without them"
    told = Markup("The source was trained on {} already: {}.")
    return paragraph(told.format(names(found.known_to_source), rest))


def _curve(figures: ZeroShotFigures, place: int) -> Markup:
    def plot(axes: Axes) -> None:
        axes.plot(*zip(*figures.curve, strict=True), color=COLOURS[0], linewidth=2)
        axes.set_xlabel("U, unseen classes")
        axes.set_ylabel("S, seen classes")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)

    area = "" if figures.area is None else f", area {figures.area:.3f}"
    alt = f"Seen against unseen accuracy on {figures.basis}{area}"
    return figure(plot, key=f"seen-{place}", height=220, alt=alt, caption=alt + ".")
