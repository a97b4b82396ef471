"""Check a part, or all parts of a plugin, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.errors import InvalidSpaceError, UnknownNameError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.verification import check_source
from autotransfer.models.source import HubWeights, Source
from autotransfer.plugin.presets import read_preset
from autotransfer.plugin.registry import Registry
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.plugin.testing.checking import Finding, check_estimator, check_strategy
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.results import ScenarioKind

_LOADS = "the plugin loads"
_WORKS = "the source loads and its features are finite"
_FITS = "the search space fits the installed strategies"


def check_named(registry: Registry, name: str) -> Iterator[Finding]:
    """Yield how a strategy, an estimator, or all that a plugin offers, keeps its promises.

    Args:
        registry: What is installed.
        name: Of a strategy, an estimator or a plugin, looked for in this order.

    Raises:
        UnknownNameError: If nothing has that name.
    """
    if name in registry.strategies:
        yield from check_strategy(registry.strategies[name])
    elif name in registry.estimators:
        yield from check_estimator(registry.estimators[name])
    else:
        yield from _check_plugin(registry, name)


def _check_plugin(registry: Registry, name: str) -> Iterator[Finding]:
    for broken in registry.broken:
        if broken.name == name:
            remedy = "fix it, then run this again"
            yield Finding(name, _LOADS, kept=False, problem=broken.reason, remedy=remedy)
            return
    offers = {plugin.name: plugin.offers for plugin in registry.plugins}
    if name not in offers:
        known = {*registry.strategies, *registry.estimators, *offers}
        known |= {broken.name for broken in registry.broken}
        raise UnknownNameError("strategy, estimator or plugin", name, sorted(known))
    yield Finding(name, _LOADS, kept=True)
    for offer in offers[name]:
        kind, part = offer.split(": ", 1)
        match kind:
            case "strategies":
                yield from check_strategy(registry.strategies[part])
            case "estimators":
                yield from check_estimator(registry.estimators[part])
            case "sources":
                yield _check_source(registry.sources[part])
            case _:
                yield _check_preset(part, registry.presets[part], registry.strategies)


def _check_source(source: Source) -> Finding:
    """Return whether a source works; nothing is fetched for it."""
    if isinstance(source.weights, HubWeights):
        return Finding(source.name, _WORKS, None, "its weights would have to be fetched")
    found = check_source(source, None, PixelStore(0), load_backbone)
    if found.ok is not False:
        return Finding(source.name, _WORKS, kept=True)
    problem, remedy = "; ".join(found.findings), "fix the record that the hook returns"
    return Finding(source.name, _WORKS, kept=False, problem=problem, remedy=remedy)


def _check_preset(name: str, path: Path, strategies: Mapping[str, Strategy]) -> Finding:
    info = TaskInfo(tiny_source(), ScenarioKind.LABELLED, num_images=100, num_classes=3)
    try:
        read_preset(path).check({key: value.space(info) for key, value in strategies.items()})
    except InvalidSpaceError as error:
        remedy = "fix the file, or install the strategies that it names"
        return Finding(name, _FITS, kept=False, problem=str(error), remedy=remedy)
    return Finding(name, _FITS, kept=True)
