"""`autotransfer ui`."""

from __future__ import annotations

from pathlib import Path

import click

from autotransfer.cli.options import option, say, workspace_option

HOST = "127.0.0.1"
PORT = 5000  # MLflow's own


@click.command(short_help="Open MLflow's pages on the runs of the workspace.")
@workspace_option
@option("--tracking-uri", metavar="URI", help="Another store than that of the workspace.")
@option("--host", default=HOST, help="Other than loopback lets others look.")
@option("--port", type=click.IntRange(1, 65_535), default=PORT, help="Another one if taken.")
@option("--no-browser", is_flag=True, help="Only print the address.")
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
