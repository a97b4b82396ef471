"""`autotransfer ui`."""

from __future__ import annotations

from pathlib import Path

import click

from autotransfer.cli.options import say

HOST = "127.0.0.1"
PORT = 5000  # MLflow's own


@click.command()
@click.option("--workspace", default=".", show_default=True, metavar="DIR", help="Of the fits.")
@click.option("--tracking-uri", metavar="URI", help="Another store than that of the workspace.")
@click.option(
    "--host", default=HOST, show_default=True, help="Other than loopback lets others look."
)
@click.option("--port", type=int, default=PORT, show_default=True, help="Another one if taken.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def ui(workspace: str, tracking_uri: str | None, host: str, port: int, *, no_browser: bool) -> int:
    """Open MLflow's pages on the runs of the workspace, on this machine alone; Ctrl-C ends it."""
    from autotransfer.tracking.viewer import Viewer

    viewer = Viewer.of(Path(workspace), tracking_uri, host=host, port=port)
    say("starting MLflow; this takes some seconds")
    with viewer:
        click.echo(f"{viewer.address}{viewer.page}")
        if not no_browser:
            click.launch(f"{viewer.address}{viewer.page}")
        return viewer.wait()
