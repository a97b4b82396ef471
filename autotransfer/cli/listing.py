"""`autotransfer plugins` and `spaces`: what is there."""

from __future__ import annotations

from pathlib import Path

import click

from autotransfer.cli.options import json_option, option, plugin_option, print_json


@click.command(short_help="List the installed plugins and what they offer.")
@plugin_option
@option("--check", metavar="NAME", help="Check the promises of a strategy, estimator or plugin.")
@option("--new", metavar="NAME", help="Write a package with a new strategy of this name.")
@json_option
def plugins(plugins: tuple[str, ...], check: str | None, new: str | None, *, as_json: bool) -> int:
    """List the installed plugins, what they offer, and those that are broken.

    With --new, write the folder autotransfer-NAME: a strategy that works, and its tests.
    With --check, try every promise of the plugin interface on generated images instead, say
    what is broken and what to do, and exit with 2 where something is.
    """
    if new is not None:
        return _write_new(new, as_json=as_json)

    from autotransfer.plugin.registry import discover

    registry = discover(files=[Path(plugin) for plugin in plugins])
    if check is not None:
        from autotransfer.cli.promises import print_check

        return print_check(registry, check, as_json=as_json)
    if as_json:
        listed = (vars(plugin) for plugin in registry.plugins)
        print_json({"plugins": [*listed], "broken": [vars(broken) for broken in registry.broken]})
        return 0
    for plugin in registry.plugins:
        click.echo(f"{plugin.name} ({plugin.distribution} {plugin.version})".rstrip())
        for offer in plugin.offers:
            click.echo(f"  {offer}")
    for broken in registry.broken:
        click.echo(f"{broken.name} ({broken.distribution} {broken.version}): broken")
        click.echo(f"  {broken.reason}")
    return 0


def _write_new(name: str, *, as_json: bool) -> int:
    from autotransfer.cli.new_plugin import write_plugin

    folder = write_plugin(name, Path())
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    if as_json:
        print_json({"folder": str(folder), "files": files})
        return 0
    for file in files:
        click.echo(file)
    module = next(folder.glob("*.py"))
    click.echo(f"next: autotransfer plugins --plugin {module} --check {name}")
    return 0


@click.command()
@plugin_option
@json_option
def spaces(plugins: tuple[str, ...], *, as_json: bool) -> None:
    """List the search spaces."""
    from autotransfer.plugin.presets import read_preset
    from autotransfer.plugin.registry import discover

    registry = discover(files=[Path(plugin) for plugin in plugins])
    found = [
        {
            "name": name,
            "description": (preset := read_preset(path)).description,
            "strategies": preset.strategies or sorted(registry.strategies),
            "file": str(preset.path),
        }
        for name, path in sorted(registry.presets.items())
    ]
    if as_json:
        print_json({"spaces": found})
    for space in () if as_json else found:
        click.echo(f"{space['name']}: {space['description']}")
        click.echo(f"  strategies: {', '.join(space['strategies'])}")
