"""`autotransfer distance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import common, print_json, say

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


@click.command()
@click.argument("images_a")
@click.argument("images_b")
@common
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="Compute only this measure; may be repeated.",
)
def distance(images_a: str, images_b: str, **options: Any) -> None:
    """Say how far the images of two sets are apart, in numbers and in words."""
    as_json = options.pop("as_json")

    from autotransfer.inspection.distance import distance as run

    found = run(
        images_a,
        images_b,
        measures=options.pop("measures") or None,
        sources=options.pop("sources") or None,
        say=say,
        **options,
    )
    if as_json:
        print_json(_json(found))
    else:
        click.echo(_text(found))


def _json(found: Distance) -> dict[str, Any]:
    return {
        "source": found.source,
        "stage": found.stage,
        "images": {"a": found.num_images[0], "b": found.num_images[1]},
        "distances": dict(found.distances),
        "levels": dict(found.levels),
        "sentence": found.sentence,
        "warnings": list(found.notes),
    }


def _text(found: Distance) -> str:
    a, b = found.num_images
    lines = [f"{a} and {b} images, stage {found.stage} of {found.source}; lower is closer"]
    for name, value in found.distances.items():
        level = found.levels.get(name, "")
        lines.append(f"  {name:<18} {value:>11.4g}  {level:<8}  {_MEANING.get(name, '')}".rstrip())
    return "\n".join([*lines, *filter(None, [found.sentence, *found.notes])])
