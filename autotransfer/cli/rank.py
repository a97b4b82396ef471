"""`autotransfer rank`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.options import common, print_json, say


@click.command()
@click.argument("target")
@common
@click.option(
    "--estimator",
    "estimators",
    multiple=True,
    metavar="NAME",
    help="Use only this score; may be repeated.",
)
@click.option("--attributes", metavar="CSV", help="Classes described by attributes.")
@click.option("--max-sources", type=int, metavar="N", help="Largest size of the shortlist.")
@click.option("--no-racing", is_flag=True, help="Show every image to every source.")
@click.option(
    "--on-bad-image", default="stop", show_default=True, help="stop, or skip bad images."
)
def rank(target: str, **options: Any) -> None:
    """Rank the sources for TARGET by transferability scores, without any training."""
    as_json = options.pop("as_json")
    estimators = options.pop("estimators")

    from autotransfer.cli.ranking_texts import rank_json, rank_text
    from autotransfer.orchestrator import rank as run

    ranking, skipped = run(
        target,
        estimators=estimators,
        racing=not options.pop("no_racing"),
        sources=options.pop("sources") or None,
        say=say,
        **options,
    )
    if as_json:
        print_json(rank_json(ranking, skipped))
    else:
        click.echo(rank_text(ranking, skipped))
