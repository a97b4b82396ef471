"""`autotransfer predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import (
    bad_image_option,
    cpu_option,
    json_option,
    option,
    plugin_option,
    print_json,
    say,
)
from autotransfer.cli.zero_shot_texts import reasons_text, with_reasons
from autotransfer.data.modality import plural_of
from autotransfer.errors import InvalidOptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from autotransfer.data.image_set import ImageSet
    from autotransfer.models.unknown_share import Unknown
    from autotransfer.results import Record
    from autotransfer.selection.selection import Selection


@click.command()
@click.argument("model_dir")
@click.argument("images")
@plugin_option
@cpu_option
@option("--generalised", is_flag=True, help="Let all classes compete (zero-shot scenario).")
@option("--explain", is_flag=True, help="Say why (zero-shot scenario).")
@option("--abstain", is_flag=True, help="Reject images that are none of the classes.")
@bad_image_option
@option("--out", metavar="CSV", help="Write a table instead of printing it.")
@json_option
def predict(model_dir: str, images: str, **options: Any) -> None:
    """Predict all images of IMAGES with the selection in MODEL_DIR.

    The answers are in the order of the rows, one for each, where IMAGES is a table, and in
    bytewise path order where it is a folder or an archive. In the CSV a text that a spreadsheet
    would run as a formula has an apostrophe in front.
    """
    from autotransfer.data.modality import Modality
    from autotransfer.data.target import open_images
    from autotransfer.models.precomputed_features import read_matrices
    from autotransfer.selection.selection import load

    if options["out"] is not None and Path(options["out"]).is_dir():
        raise InvalidOptionError(f"--out {options['out']} is a folder; name the file to write")
    selection = load(model_dir, plugins=options["plugins"], device=options["device"])
    generalised = options["generalised"]
    classes = selection.competing_classes(generalised=generalised)
    matrices = read_matrices(images)
    if matrices is not None:
        opened = matrices[0].items
        probabilities = selection.predict_proba(matrices[0].by_source)
    else:
        record, rule = selection.record, options["on_bad_image"]
        kind = Modality(record.modality)
        opened = open_images(images, on_bad_image=rule, depth=record.depth, modality=kind)
        probabilities = selection.predict_proba(opened, generalised=generalised)
    rows, told = _rows(opened, classes, probabilities), dict[str, Any]()
    if options["abstain"]:
        given = opened if matrices is None else matrices[0].by_source
        items = "images" if matrices is not None else opened.modality.plural
        rows, told = _abstaining(selection, given, rows, items)
    if options["explain"]:
        found = selection.explain(opened, generalised=generalised)
        rows = with_reasons(rows, found, selection.record.zero_shot)
    table = _table(rows, classes)
    if options["out"] is not None:
        _write(Path(options["out"]), table)
    if options["as_json"]:
        print_json({"predictions": rows, **told})
    elif options["out"] is None:
        click.echo(table, nl=False)


def _abstaining(
    selection: Selection, given: Any, rows: list[dict[str, Any]], items: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows with what is none of the classes, and the keys of the output that say so."""
    from autotransfer.models.open_set import NONE_OF_THESE as NONE

    unknown, out = selection.judged_unknown(given)
    probabilities = unknown.probability.tolist()
    rows = [
        {**row, "class": NONE if far else row["class"], "unknown": p, "abstained": bool(far)}
        for row, p, far in zip(rows, probabilities, out, strict=True)
    ]
    if selection.kept.open_set is None:
        say(unknown_sentence(unknown, items))
        return rows, {"unknown": {"low": unknown.least, "n": len(rows)}}
    rejected = int(out.sum())
    say(rejected_sentence(unknown, rejected, selection.record))
    share = sum(probabilities) / len(rows) if rows else 0.0
    return rows, {"unknown": {"share": share, "rejected": rejected, "n": len(rows)}}


def unknown_sentence(unknown: Unknown, items: str = "images") -> str:
    """Return what is known of the items that are none of the classes.

    Args:
        unknown: What was found.
        items: The word for several of them.
    """
    from autotransfer.models.unknown_share import FEWEST

    n = len(unknown.probability)
    if n < FEWEST:
        return (
            f"{n} {items} are too few to judge together; from {FEWEST} on it is told how many are "
            "none of the classes"
        )
    if not unknown.least:
        return f"none of the {n} {items} is known to be none of the classes"
    return (
        f"at least {100 * unknown.least:.0f} % of the {n} {items} seem to be none of the classes "
        "(lower 95 % limit; how many more there are cannot be known)"
    )


def rejected_sentence(unknown: Unknown, rejected: int, record: Record) -> str:
    """Return what was rejected by what a fit without target labels has found."""
    found = record.open_world
    kind, of_fit = plural_of(record.modality), ""
    if found is not None and found.unknown is not None:
        of_fit = f"; of the fit: {found.unknown.told_of(record.modality, kind)}"
    return (
        f"{rejected} of the {len(unknown.probability)} {kind} are more probably none of the "
        f"classes than not{of_fit}"
    )


def _write(out: Path, table: str) -> None:
    from autotransfer.data.atomic_files import write_whole

    try:
        write_whole(out, table.encode(errors="backslashreplace"))
    except OSError as error:
        raise InvalidOptionError(f"--out {out} cannot be written ({error})") from error


def _rows(
    items: ImageSet, classes: Sequence[str], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    also = ("item", "image") if items.modality == "image" else ("item",)
    return [
        {
            **dict.fromkeys(also, name),
            "class": classes[int(row.argmax())],
            "probability": float(row.max()),
            "probabilities": dict(zip(classes, map(float, row), strict=True)),
        }
        for name, row in zip(items.names, probabilities, strict=True)
    ]


def _table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    from autotransfer.data.csv_cells import csv_text
    from autotransfer.tracking.columns import answer_columns

    explained = bool(rows) and "because" in rows[0]
    abstaining = bool(rows) and "abstained" in rows[0]
    further = ["unknown", "abstained"] * abstaining + ["because"] * explained
    named = "image" if rows and "image" in rows[0] else "item"
    cells = [[named, *answer_columns(classes), *further]]
    for item in rows:
        shares = [f"{share:.6f}" for share in item["probabilities"].values()]
        because = [reasons_text(item["because"])] if explained else []
        probability = f"{item['probability']:.6f}"
        rejected = [f"{item['unknown']:.6f}", str(item["abstained"]).lower()] if abstaining else []
        cells.append([item["item"], item["class"], probability, *shares, *rejected, *because])
    return csv_text(cells)
