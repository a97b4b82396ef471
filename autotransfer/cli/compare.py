"""`autotransfer compare`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import (
    answer,
    bad_image_option,
    cpu_option,
    json_option,
    option,
    plugin_option,
)

if TYPE_CHECKING:
    from autotransfer.inspection.compare import ModelComparison


@click.command(short_help="Test whether one saved model is better than another.")
@click.argument("model_a")
@click.argument("model_b")
@click.argument("images")
@plugin_option
@option("--metric", default="accuracy", help="What is compared.")
@option("--margin", type=float, help="Gap that counts as no difference; 0.01 is a point.")
@cpu_option
@option("--seed", default=0, help="Seeds the resamples.")
@bad_image_option
@json_option
def compare(model_a: str, model_b: str, images: str, **options: Any) -> None:
    """Test whether MODEL_A beats MODEL_B on the labelled images in IMAGES.

    Images that either of them has learnt from are left out.
    """
    as_json = options.pop("as_json")

    from autotransfer.inspection.compare import compare_models

    found = compare_models(model_a, model_b, images, **options)
    answer(asdict, partial(_text, model_a, model_b), found, as_json=as_json)


def _text(model_a: str, model_b: str, found: ModelComparison) -> str:
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
    return "\n".join([*lines, *(f"  {note}" for note in found.notes)])
