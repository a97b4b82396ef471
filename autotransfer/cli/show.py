"""`autotransfer show`."""

from __future__ import annotations

import click

from autotransfer.cli.options import answer, json_option


@click.command()
@click.argument("directory", metavar="DIR")
@json_option
def show(directory: str, *, as_json: bool) -> None:
    """Show what a fit found, from its folder DIR."""
    from autotransfer.cli.texts import fit_json, fit_text
    from autotransfer.selection.selection import read_record

    answer(fit_json, fit_text, read_record(directory), as_json=as_json)
