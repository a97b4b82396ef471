"""`autotransfer plugins` and `spaces`: what is there."""

from __future__ import annotations

from pathlib import Path

import click

from autotransfer.cli.options import json_option, plugin_option, print_json, refuse_later


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
