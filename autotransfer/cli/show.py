"""`autotransfer show`."""

from __future__ import annotations

import click

from autotransfer.cli.options import json_option, print_json


@click.command()
@click.argument("directory", metavar="DIR")
@json_option
def show(directory: str, *, as_json: bool) -> None:
    """Show what a fit found, from its folder DIR."""
    from autotransfer.cli.texts import fit_json, fit_text
    from autotransfer.selection.selection import read_record

    record = read_record(directory)
    if as_json:
        print_json(fit_json(record))
    else:
        click.echo(fit_text(record))
