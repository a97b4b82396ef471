"""`autotransfer plugins`, `spaces` and `sources`: what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autotransfer.cli.options import common, json_option, plugin_option, print_json, refuse_later


@click.command()
@plugin_option
@click.option("--check", metavar="NAME", help="Run the contract on a plugin.")
@json_option
def plugins(plugins: tuple[str, ...], check: str | None, *, as_json: bool) -> None:
    """List the installed plugins, what they offer, and those that are broken."""
    refuse_later(check=check)

    from autotransfer.registry import discover

    registry = discover(files=[Path(plugin) for plugin in plugins])
    if as_json:
        print_json(
            {
                "plugins": [vars(plugin) for plugin in registry.plugins],
                "broken": [vars(plugin) for plugin in registry.broken],
            }
        )
        return
    for plugin in registry.plugins:
        click.echo(f"{plugin.name} ({plugin.distribution} {plugin.version})".rstrip())
        for offer in plugin.offers:
            click.echo(f"  {offer}")
    for broken in registry.broken:
        click.echo(f"{broken.name} ({broken.distribution} {broken.version}): broken")
        click.echo(f"  {broken.reason}")


@click.command()
@plugin_option
@json_option
def spaces(plugins: tuple[str, ...], *, as_json: bool) -> None:
    """List the search spaces."""
    from autotransfer.presets import read_preset
    from autotransfer.registry import discover

    registry = discover(files=[Path(plugin) for plugin in plugins])
    found = {name: read_preset(path) for name, path in sorted(registry.presets.items())}
    if as_json:
        print_json(
            {
                "spaces": [
                    {
                        "name": name,
                        "description": preset.description,
                        "strategies": preset.strategies or sorted(registry.strategies),
                        "file": str(preset.path),
                    }
                    for name, preset in found.items()
                ]
            }
        )
        return
    for name, preset in found.items():
        click.echo(f"{name}: {preset.description}")
        click.echo(f"  strategies: {', '.join(preset.strategies or sorted(registry.strategies))}")


@click.command()
@common
@click.option("--check", is_flag=True, help="Look for silent faults of a catalogue.")
@click.option("--on", metavar="IMAGES", help="Pictures to check with.")
def sources(**options: Any) -> None:
    """List the sources: the default set, a catalogue, or named ones."""
    refuse_later(check=options["check"], on=options["on"])

    from autotransfer.catalogue import resolve_sources
    from autotransfer.cli.texts import source_json
    from autotransfer.registry import discover

    registry = discover(files=[Path(plugin) for plugin in options["plugins"]])
    resolved = resolve_sources(
        options["sources"] or None,
        only=options["only_sources"],
        from_plugins=tuple(registry.sources.values()),
    )
    if options["as_json"]:
        print_json(
            {
                "sources": [source_json(source) for source in resolved.sources],
                "skipped": [vars(skip) for skip in resolved.skipped],
            }
        )
        return
    for source in resolved.sources:
        click.echo(
            f"{source.name}: {source.architecture}, {source.preprocessing.input_size} px, "
            f"trained on {source.pretrained_on}; licence {source.license}"
        )
    for skip in resolved.skipped:
        click.echo(f"{skip.source}: skipped, {skip.reason}")
