"""`autotransfer predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autotransfer.cli.options import (
    bad_image_option,
    cpu_option,
    json_option,
    option,
    plugin_option,
    print_json,
)
from autotransfer.errors import InvalidOptionError


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
    from autotransfer.cli.prediction_texts import abstaining, prediction_rows, prediction_table
    from autotransfer.cli.zero_shot_texts import with_reasons
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
    rows, told = prediction_rows(opened, classes, probabilities), dict[str, Any]()
    if options["abstain"]:
        given = opened if matrices is None else matrices[0].by_source
        items = "images" if matrices is not None else opened.modality.plural
        rows, told = abstaining(selection, given, rows, items)
    if options["explain"]:
        found = selection.explain(opened, generalised=generalised)
        rows = with_reasons(rows, found, selection.record.zero_shot)
    table = prediction_table(rows, classes)
    if options["out"] is not None:
        _write(Path(options["out"]), table)
    if options["as_json"]:
        print_json({"predictions": rows, **told})
    elif options["out"] is None:
        click.echo(table, nl=False)


def _write(out: Path, table: str) -> None:
    from autotransfer.data.atomic_files import write_whole

    try:
        write_whole(out, table.encode(errors="backslashreplace"))
    except OSError as error:
        raise InvalidOptionError(f"--out {out} cannot be written ({error})") from error
