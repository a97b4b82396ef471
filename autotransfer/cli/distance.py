"""`autotransfer distance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import answer, bad_image_option, common, picked, say, several

if TYPE_CHECKING:
    from autotransfer.inspection.distance import Distance

_MEANING = {
    "mmd": "squared, unbiased; 0 for equal sets",
    "mmd-p-value": "share of random splits as far apart",
    "mk-mmd": "three bandwidths",
    "js-divergence": "bits, in [0, 1]",
    "js-null": "the same for a random split",
    "proxy-a-distance": "in [0, 2]; 2 when a classifier always tells them apart",
    "proxy-a-null": "the same for a random split",
    "coral": "shift of the covariance, feature units ^ 4",
    "frechet": "feature units ^ 2",
    "energy": "feature units",
    "sliced-wasserstein": "feature units",
}


@click.command(short_help="Say how far the images of two sets are apart.")
@click.argument("images_a")
@click.argument("images_b")
@common
@several("--measure", "measures", "NAME", "Compute only this measure")
@bad_image_option
def distance(images_a: str, images_b: str, **options: Any) -> None:
    """Say how far the images of two sets are apart, in numbers and in words."""
    as_json = options.pop("as_json")

    from autotransfer.inspection.distance import distance as run

    measures, sources = options.pop("measures") or None, options.pop("sources") or None
    found = run(images_a, images_b, measures=measures, sources=sources, say=say, **options)
    answer(_json, _text, found, as_json=as_json)


def _json(found: Distance) -> dict[str, Any]:
    return {
        **picked(found, "source", "stage"),
        "images": {"a": found.num_images[0], "b": found.num_images[1]},
        **picked(found, "distances", "levels", "sentence"),
        "warnings": found.notes,
    }


def _text(found: Distance) -> str:
    a, b = found.num_images
    lines = [f"{a} and {b} {found.items}, stage {found.stage} of {found.source}; lower is closer"]
    for name, value in found.distances.items():
        level = found.levels.get(name, "")
        lines.append(f"  {name:<18} {value:>11.4g}  {level:<8}  {_MEANING.get(name, '')}".rstrip())
    return "\n".join([*lines, *filter(None, [found.sentence, *found.notes])])
