"""`autotransfer sources`: what can be transferred from, and whether a catalogue is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotransfer.cli.options import common, option, print_json, say

if TYPE_CHECKING:
    from autotransfer.models.catalogue import Sources
    from autotransfer.models.catalogue.verification import Check

FAULTS_FOUND = 2


@click.command()
@common
@option("--check", is_flag=True, help="Look for silent faults of a catalogue.")
@option("--on", metavar="IMAGES", help="Images of classes that the sources know.")
def sources(**options: Any) -> int:
    """List the sources: the default set, a catalogue, or named ones."""
    from autotransfer.errors import InvalidOptionError
    from autotransfer.models.catalogue import resolve_sources, told_left_out
    from autotransfer.models.catalogue.default_sets import measured_sizes
    from autotransfer.plugin.registry import discover
    from autotransfer.tracking.named_sources import named_sources

    if options["on"] and not options["check"]:
        raise InvalidOptionError("--on IMAGES goes with --check")
    registry = discover(files=[Path(plugin) for plugin in options["plugins"]])
    offered = tuple(registry.sources.values())
    resolved = resolve_sources(
        named_sources(options["sources"] or None, options["tracking_uri"], Path()),
        only=options["source"],
        from_plugins=offered,
        license=options["license"],
    )
    if options["check"]:
        return _check(resolved, options["on"], as_json=options["as_json"])
    if options["as_json"]:
        from autotransfer.cli.texts import source_json

        listed = [source_json(source) for source in resolved.sources]
        print_json({"sources": listed, "skipped": [vars(skip) for skip in resolved.skipped]})
        return 0
    sizes = measured_sizes()
    for source in resolved.sources:
        size = sizes.get(source.name)
        cost = "" if size is None else f"; {size.megabytes:.0f} MB, {size.gmacs:.2f} GMAC an image"
        click.echo(
            f"{source.name}: {source.architecture}, {source.preprocessing.told}, "
            f"trained on {source.pretrained_on}; licence {source.license}{cost}"
        )
    for skip in resolved.skipped:
        click.echo(f"{skip.source}: skipped, {skip.reason}")
    left = "" if options["source"] else told_left_out(offered, resolved.sources)
    if left:
        click.echo(left)
    return 0


def _check(resolved: Sources, on: str | None, *, as_json: bool) -> int:
    """Print what was found about every source; return the exit code."""
    from dataclasses import asdict

    from autotransfer.data.images.preprocessing import PixelStore
    from autotransfer.models.backbone import load_backbone
    from autotransfer.models.catalogue.class_names import open_classes
    from autotransfer.models.catalogue.verification import check_source
    from autotransfer.selection.predictions import PIXEL_BYTES

    images = None if on is None else open_classes(on)
    pixels, checks = PixelStore(PIXEL_BYTES), []
    for source in resolved.sources:
        checks.append(check_source(source, images, pixels, load_backbone))
        say(_line(checks[-1]))
    faulty = [check.source for check in checks if check.ok is False]
    if as_json:
        told = [asdict(check) for check in checks]
        print_json({"checks": told, "skipped": [vars(skip) for skip in resolved.skipped]})
    else:
        fine = sum(check.ok is True for check in checks)
        click.echo(
            f"{fine} fine, {len(faulty)} faulty, {len(checks) - fine - len(faulty)} not to be "
            "told" + (f": correct {', '.join(faulty)} in the catalogue" if faulty else "")
        )
    return FAULTS_FOUND if faulty else 0


def _line(check: Check) -> str:
    word = {True: "fine", False: "FAULT", None: "cannot be told"}[check.ok]
    figures = ""
    if check.accuracy is not None and check.chance is not None:
        figures = (
            f" (head accuracy {100 * check.accuracy:.1f} %, chance {100 * check.chance:.1f} %)"
        )
    return f"{check.source}: {word}{figures}" + "".join(f"; {text}" for text in check.findings)
