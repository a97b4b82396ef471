"""The reliability curve: how often answers of a given probability are right."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.models.calibration import calibration_error, reliability
from autotransfer.report.answered import who_and_where
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
        low = 1.0
        for title, p in shown.items():
            place = 0 if title == "as returned" else 1
            sure, right, _ = reliability(p, tested.labels)
            axes.plot(sure, right, ("o-", "s--")[place], color=COLOURS[place], markersize=5,
                      label=f"{title}, error {errors[title]:.3f}")  # fmt: skip
            low = min(low, sure.min())
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
