"""`autotransfer compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import json_option, plugin_option, print_json
from autotransfer.errors import InvalidOptionError

if TYPE_CHECKING:
    from autotransfer.inspection.compare import ModelComparison


@click.command()
@click.argument("model_a")
@click.argument("model_b")
@click.argument("images")
@plugin_option
@click.option("--metric", default="accuracy", show_default=True, help="What is compared.")
@click.option("--margin", type=float, help="Gap that counts as no difference; 0.01 is a point.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--seed", default=0, show_default=True, help="Seeds the resamples.")
@json_option
def compare(model_a: str, model_b: str, images: str, **options: Any) -> None:
    """Test whether MODEL_A beats MODEL_B on the labelled images in IMAGES.

    Images that either of them has learnt from are left out.
    """
    if options["margin"] is not None and options["margin"] < 0:
        raise InvalidOptionError(f"--margin must be a number from 0 on, got {options['margin']}")

    from autotransfer.inspection.compare import compare_models

    found = compare_models(
        model_a,
        model_b,
        images,
        metric=options["metric"],
        margin=options["margin"],
        plugins=options["plugins"],
        device=options["device"],
        seed=options["seed"],
    )
    if options["as_json"]:
        print_json({**asdict(found), "decision": str(found.decision)})
    else:
        click.echo(_text(found, model_a, model_b))


def _text(found: ModelComparison, model_a: str, model_b: str) -> str:
    lines = [
        found.sentence,
        f"  {abs(found.scores[0]):.3f} {model_a}",
        f"  {abs(found.scores[1]):.3f} {model_b}",
        f"  McNemar's mid-p {found.mcnemar:.3g}; {found.metric} on {found.gap.n} images",
    ]
    if found.left_out:
        lines.append(f"  left out: {found.left_out} image(s) that a model had learnt from")
    if found.looks > 1:
        lines.append(
            f"  these images have been used for {found.looks - 1} other comparison(s), so the "
            "interval is wider"
        )
    return "\n".join(lines)
