"""`autotransfer label`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.early import refuse_early
from autotransfer.cli.groups import GroupedCommand
from autotransfer.cli.options import (
    answer,
    bad_image_option,
    common,
    option,
    say,
    several,
    starting,
)


@click.command(cls=GroupedCommand, short_help="Say which images to label next.")
@click.argument("places", nargs=-1, required=True, metavar="[TARGET] UNLABELLED")
@common
@option("--count", type=int, default=20, metavar="N", help="Number of images to ask for.")
@several("--labels", "labels", "CSV", "A table that was filled in, the latest last")
@several("--new-class", "new_classes", "NAME", "A class of the tables that TARGET has not")
@option("--worth", type=float, default=0.5, metavar="X", help="Points a round has to gain.")
@option("--out", metavar="DIR", help="Folder of the table and the page.")
@option("--group-column", metavar="NAME", help="Manifest column that names the group.")
@bad_image_option
def label(places: tuple[str, ...], **options: Any) -> None:
    """Say which images of UNLABELLED to label next, and make a page to do it on.

    TARGET is a labelled target as of fit; without it nothing has a label yet. A part of the
    images is drawn at random, so that the test stays honest. The page saves a table, which
    fit takes with --labels.
    """
    if len(places) > 2:
        raise click.UsageError(
            f"one or two places are needed, [TARGET] UNLABELLED; got {len(places)}"
        )
    as_json = options.pop("as_json")
    for place in places:
        refuse_early(place, options)
    starting(f"opening {' and '.join(places)}")

    from autotransfer.cli.label_texts import label_json, label_text
    from autotransfer.labelling.suggesting import suggest_labels

    options["sources"] = options.pop("sources") or None
    found = suggest_labels(*places, say=say, **options)
    answer(label_json, label_text, found, places, as_json=as_json)
