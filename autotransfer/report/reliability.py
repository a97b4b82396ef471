"""The reliability curve: how often answers of a given probability are right."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.models.calibration import calibration_error, reliability
from autotransfer.report.confusion import who_and_where
from autotransfer.report.figures import COLOURS, FAINT, figure
from autotransfer.report.markup import joined, paragraph
from autotransfer.report.material import Material


def reliability_section(material: Material) -> Markup | None:
    """Return the curve before and after the temperature, with the calibration errors."""
    tested = material.tested()
    if tested is None:
        return None
    shown = {"as returned": tested.probabilities}
    if tested.raw is not None and not np.allclose(tested.raw, tested.probabilities):
        shown = {"before the temperature": tested.raw, **shown}
    errors = {title: calibration_error(p, tested.labels) for title, p in shown.items()}

    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="perfect")
        styles = ("s--", "o-") if len(shown) > 1 else ("o-",)
        colours = (COLOURS[1], COLOURS[0]) if len(shown) > 1 else (COLOURS[0],)
        for (title, p), style, colour in zip(shown.items(), styles, colours, strict=True):
            sure, right, _ = reliability(p, tested.labels)
            axes.plot(sure, right, style, color=colour, markersize=5,
                      label=f"{title}, error {errors[title]:.3f}")  # fmt: skip
        low = min(reliability(p, tested.labels)[0].min() for p in shown.values())
        axes.set_xlim(max(0.0, low - 0.05), 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("probability of the answer")
        axes.set_ylabel("share that is right")
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2))

    told = ", ".join(f"{error:.3f} {title}" for title, error in errors.items())
    chart = figure(
        plot, key="reliability", height=300,
        alt=f"Reliability curve; expected calibration error {told}",
        caption="Each point is a tenth of the images. Below the line the predictor is surer "
        "than it is right.",
    )  # fmt: skip
    return joined(
        [who_and_where(tested), chart, paragraph(f"Expected calibration error: {told}.")]
    )
