"""`autotransfer rank`."""

from __future__ import annotations

from typing import Any

import click

from autotransfer.cli.early import refuse_early
from autotransfer.cli.groups import GroupedCommand
from autotransfer.cli.options import (
    answer,
    attributes_option,
    bad_image_option,
    common,
    descriptions_option,
    max_sources_option,
    option,
    say,
    several,
    starting,
)


@click.command(cls=GroupedCommand, short_help="Rank the sources for TARGET, without training.")
@click.argument("target")
@common
@several("--estimator", "estimators", "NAME", "Use only this score")
@attributes_option
@descriptions_option
@max_sources_option
@option("--domain-column", metavar="NAME", help="Leave out each domain; :folder: top folders.")
@option("--no-racing", is_flag=True, help="Show every image to every source.")
@option("--workspace", metavar="DIR", help="Folder of earlier fits; here by default.")
@bad_image_option
def rank(target: str, **options: Any) -> None:
    """Rank the sources for TARGET by transferability scores, without any training."""
    as_json = options.pop("as_json")
    refuse_early(target, options)
    starting(f"opening {target}")

    from autotransfer.cli.ranking_texts import rank_json, rank_text
    from autotransfer.orchestrator import rank as run

    racing, sources = not options.pop("no_racing"), options.pop("sources") or None
    found = run(target, racing=racing, sources=sources, say=say, **options)
    answer(rank_json, rank_text, *found, as_json=as_json)
