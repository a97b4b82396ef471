"""`autotransfer plugins` and `spaces`: what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotransfer.cli.options import json_option, plugin_option, print_json

if TYPE_CHECKING:
    from autotransfer.plugin.registry import Registry


@click.command()
@plugin_option
@click.option(
    "--check", metavar="NAME", help="Check the promises of a strategy, estimator or plugin."
)
@json_option
def plugins(plugins: tuple[str, ...], check: str | None, *, as_json: bool) -> int:
    """List the installed plugins, what they offer, and those that are broken.

    With --check, try every promise of the plugin interface on generated images instead, say
    what is broken and what to do, and exit with 2 where something is.
    """
    from autotransfer.plugin.registry import discover

    registry = discover(files=[Path(plugin) for plugin in plugins])
    if check is not None:
        from autotransfer.cli.promises import print_check

        return print_check(registry, check, as_json=as_json)
    _list(registry, as_json=as_json)
    return 0


def _list(registry: Registry, *, as_json: bool) -> None:
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
    from autotransfer.plugin.presets import read_preset
    from autotransfer.plugin.registry import discover

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
