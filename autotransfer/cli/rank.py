"""`autotransfer rank`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.options import common, print_json, refuse_later, say


@click.command()
@click.argument("target")
@common
@click.option("--estimator", "estimators", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--max-sources", type=int, metavar="N", help="Largest size of the shortlist.")
@click.option("--no-racing", is_flag=True, help="Show every picture to every source.")
@click.option(
    "--on-bad-image", default="stop", show_default=True, help="stop, or skip bad pictures."
)
def rank(target: str, **options: Any) -> None:
    """Rank the sources for TARGET by transferability scores, without any training."""
    refuse_later(no_racing=options.pop("no_racing"))
    as_json = options.pop("as_json")
    estimators = options.pop("estimators")

    from autotransfer.cli.texts import rank_json, rank_text
    from autotransfer.ranking import DEFAULT_ESTIMATORS
    from autotransfer.selector import rank as run

    ranking, skipped = run(
        target,
        estimators=estimators or DEFAULT_ESTIMATORS,
        sources=options.pop("sources") or None,
        say=say,
        **options,
    )
    if as_json:
        print_json(rank_json(ranking))
    else:
        click.echo(rank_text(ranking, skipped))
