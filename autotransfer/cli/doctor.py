"""`autotransfer doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from autotransfer.cli.options import (
    json_option,
    option,
    plugin_option,
    print_json,
    workspace_option,
)

WRONG = 2
_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


@click.command(short_help="Check the environment and say how to fix it.")
@plugin_option
@workspace_option
@option("--online", is_flag=True, help="Also ask the hub of weights.")
@json_option
def doctor(plugins: tuple[str, ...], workspace: str, *, online: bool, as_json: bool) -> int:
    """Check the environment, and say how to fix what is wrong (exit code 2)."""
    try:
        from autotransfer.cli.checks import examine
    except (ImportError, OSError, RuntimeError) as error:
        remedy = "install it again: pip install --force-reinstall autotransfer"
        found = [{"part": "import", "state": "wrong", "found": str(error), "remedy": remedy}]
    else:
        files = [Path(plugin) for plugin in plugins]
        found = [asdict(f) for f in examine(Path(workspace), plugins=files, online=online)]
    if as_json:
        print_json({"findings": found})
    for finding in () if as_json else found:
        click.echo(f"{_SIGNS[finding['state']]} {finding['part']}: {finding['found']}")
        if finding["remedy"]:
            click.echo(f"      {finding['remedy']}")
    return WRONG if any(finding["state"] == "wrong" for finding in found) else 0
