"""`autotransfer layers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import common, print_json, say
from autotransfer.errors import InvalidOptionError

if TYPE_CHECKING:
    from autotransfer.inspection.layer_curve import LayerCurve

_COLOURS = {"frozen": "#b5542b", "tuned": "#2b6cb5"}


@click.command()
@click.argument("target")
@common
@click.option("--epochs", type=int, default=10, show_default=True, help="Epochs for every point.")
@click.option(
    "--repeats",
    type=int,
    default=3,
    show_default=True,
    help="Fits for every point.",
)
@click.option(
    "--out", default="layers.png", show_default=True, metavar="PNG_OR_SVG", help="The drawing."
)
def layers(target: str, **options: Any) -> None:
    """Draw the score on TARGET against the number of copied stages, frozen and tuned."""
    as_json, out = options.pop("as_json"), Path(options.pop("out"))
    named = options.pop("only_sources")
    if len(named) > 1:
        raise InvalidOptionError(f"layers draws one source; got {', '.join(named)}")
    if out.suffix.lower() not in (".png", ".svg"):
        raise InvalidOptionError(f"--out must end with .png or .svg, got {out}")

    from autotransfer.inspection.layer_curve import layers as run

    curve = run(
        target,
        source=named[0] if named else None,
        sources=options.pop("sources") or None,
        say=say,
        **options,
    )
    try:
        _draw(curve, out)
    except OSError as error:
        raise InvalidOptionError(f"--out {out} cannot be written ({error})") from error
    if as_json:
        print_json(_json(curve, out))
    else:
        click.echo(_text(curve, out))


def _json(curve: LayerCurve, out: Path) -> dict[str, Any]:
    return {
        "source": curve.source,
        "stages": curve.num_stages,
        "images": curve.num_images,
        "points": [
            {
                "copied": point.copied,
                "mode": point.mode,
                "accuracy": point.mean,
                "error": point.error,
                "values": list(point.accuracies),
            }
            for point in curve.points
        ],
        "plot": str(out),
        "warnings": list(curve.notes),
    }


def _text(curve: LayerCurve, out: Path) -> str:
    lines = [
        f"  {point.copied} of {curve.num_stages} stages copied, {point.mode:<6} "
        f"{point.mean:.3f} +- {point.error:.3f}"
        for point in curve.points
    ]
    head = f"{curve.source} on {curve.num_images} images; accuracy, standard error"
    return "\n".join([head, *lines, *curve.notes, f"drawn in {out}"])


def _draw(curve: LayerCurve, out: Path) -> None:
    """Draw both curves with their error bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for mode, colour in _COLOURS.items():
        points = curve.of(mode)
        if points:
            axes.errorbar(
                [point.copied for point in points],
                [point.mean for point in points],
                yerr=[point.error for point in points],
                marker="o",
                capsize=3,
                color=colour,
                label=f"copied, then {mode}",
            )
    axes.set(
        xlabel="stages copied from the source (the rest starts from scratch)",
        ylabel="accuracy on held-out images",
        title=curve.source,
        xticks=range(curve.num_stages + 1),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=150)
