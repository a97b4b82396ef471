"""`autotransfer layers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import answer, bad_image_option, common, option, picked, say
from autotransfer.errors import InvalidOptionError

if TYPE_CHECKING:
    from autotransfer.inspection.layer_curve import LayerCurve

_COLOURS = {"frozen": "#b5542b", "tuned": "#2b6cb5"}


@click.command(short_help="Draw the score against the number of copied stages.")
@click.argument("target")
@common
@option("--epochs", default=10, help="Epochs for every point.")
@option("--repeats", default=3, help="Fits for every point.")
@option("--out", default="layers.png", metavar="PNG_OR_SVG", help="The drawing.")
@bad_image_option
def layers(target: str, **options: Any) -> None:
    """Draw the score on TARGET against the number of copied stages, frozen and tuned."""
    as_json, out = options.pop("as_json"), Path(options.pop("out"))
    named, sources = options.pop("source"), options.pop("sources") or None
    if len(named) > 1:
        raise InvalidOptionError(f"layers draws one source; got {', '.join(named)}")
    if out.suffix.lower() not in (".png", ".svg"):
        raise InvalidOptionError(f"--out must end with .png or .svg, got {out}")

    from autotransfer.data.atomic_files import written_whole
    from autotransfer.inspection.layer_curve import layers as run

    source = named[0] if named else None
    curve = run(target, source=source, sources=sources, say=say, **options)
    try:
        with written_whole(out) as drawing:
            _draw(curve, drawing, out.suffix[1:].lower())
    except OSError as error:
        raise InvalidOptionError(f"--out {out} cannot be written ({error})") from error
    answer(_json, _text, curve, out, as_json=as_json)


def _json(curve: LayerCurve, out: Path) -> dict[str, Any]:
    return {
        "source": curve.source,
        "stages": curve.num_stages,
        "images": curve.num_images,
        "points": [
            {
                **picked(point, "copied", "mode"),
                "accuracy": point.mean,
                "error": point.error,
                "values": point.accuracies,
            }
            for point in curve.points
        ],
        "plot": str(out),
        "warnings": curve.notes,
    }


def _text(curve: LayerCurve, out: Path) -> str:
    lines = [
        f"  {point.copied} of {curve.num_stages} stages copied, {point.mode:<6} "
        f"{point.mean:.3f} +- {point.error:.3f}"
        for point in curve.points
    ]
    head = f"{curve.source} on {curve.num_images} {curve.items}; accuracy, standard error"
    return "\n".join([head, *lines, *curve.notes, f"drawn in {out}"])


def _draw(curve: LayerCurve, out: Path, kind: str) -> None:
    """Draw both curves with their error bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for mode, colour in _COLOURS.items():
        points = curve.of(mode)
        if points:
            copied, errors = [p.copied for p in points], [p.error for p in points]
            style: dict[str, Any] = {"marker": "o", "capsize": 3, "color": colour}
            style |= {"yerr": errors, "label": f"copied, then {mode}"}
            axes.errorbar(copied, [p.mean for p in points], **style)
    axes.set(
        xlabel="stages copied from the source (the rest starts from scratch)",
        ylabel=f"accuracy on held-out {curve.items}",
        title=curve.source,
        xticks=range(curve.num_stages + 1),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=150, format=kind)
