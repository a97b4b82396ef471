"""What more labels would buy: measured with fewer, told forward with an interval."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.report.figures import COLOURS, figure
from autotransfer.report.markup import bullets, joined, paragraph
from autotransfer.report.material import Material
from autotransfer.transferability.learning_curve.wording import forecast_sentences

_TOLD = (
    "The accuracy of probes on all sources, measured on random subsets of the labels (dots), and "
    "what more labels drawn like these are expected to bring. This is a forecast, not a test; its "
    "intervals are of 90 %."
)


def more_labels_section(material: Material) -> Markup | None:
    """Return the learning curve; None where no accuracy could be measured."""
    found = material.record.forecast
    if found is None:
        return None
    ahead = [(found.labels, found.accuracy)]
    ahead += [(found.labels + more.labels, more.accuracy) for more in found.more]
    labels = [number for number, _ in ahead]
    low, middle, high = (
        [getattr(accuracy, end) for _, accuracy in ahead] for end in ("low", "value", "high")
    )

    def plot(axes: Axes) -> None:
        axes.fill_between(labels, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(labels, middle, color=COLOURS[0], linewidth=2)
        axes.plot(found.sizes, found.measured, "o", color=COLOURS[0], markersize=5)
        axes.set_xscale("log")
        axes.set_xlabel("labels")
        axes.set_ylabel("accuracy")

    sentences = forecast_sentences(found)
    alt = f"Learning curve: {'. '.join(sentences[:3])}"
    chart = figure(plot, key="labels", height=220, alt=alt)
    return joined([paragraph(_TOLD), chart, bullets(sentences)])
