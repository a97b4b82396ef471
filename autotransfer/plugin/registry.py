"""Discovery: every plugin is loaded on its own, and a broken one is named, not fatal."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from autotransfer.data.item_kinds import ItemKind, offer_kind
from autotransfer.errors import PluginError, PluginWarning, UnknownNameError, one_line
from autotransfer.models.builders import BackboneBuilder, offer
from autotransfer.models.source import Source
from autotransfer.plugin import hookspecs
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.hookspecs import NAMESPACE
from autotransfer.plugin.presets import read_preset
from autotransfer.plugin.strategy import Strategy

T = TypeVar("T")
PLUGIN_VARIABLE = "AUTOTRANSFER_PLUGINS"


@dataclass(frozen=True)
class PluginInfo:
    """One loaded plugin and the names of what it offers."""

    name: str
    distribution: str
    version: str
    offers: tuple[str, ...]


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that was left out, and why."""

    name: str
    distribution: str
    version: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """Everything that is installed, by name."""

    strategies: Mapping[str, Strategy]
    estimators: Mapping[str, TransferabilityEstimator]
    sources: Mapping[str, Source]
    presets: Mapping[str, Path]
    plugins: tuple[PluginInfo, ...]
    broken: tuple[BrokenPlugin, ...]
    backbones: Mapping[str, BackboneBuilder] = field(default_factory=dict)
    modalities: Mapping[str, ItemKind] = field(default_factory=dict)

    def strategy(self, name: str) -> Strategy:
        """Return the strategy of that name."""
        return _named("strategy", name, self.strategies)

    def estimator(self, name: str) -> TransferabilityEstimator:
        """Return the estimator of that name."""
        return _named("estimator", name, self.estimators)

    def preset(self, name: str | Path) -> Path:
        """Return the file of a preset, named or given as a path to a TOML file."""
        if isinstance(name, Path) or name.endswith(".toml"):
            return Path(name)
        return _named("search space", name, self.presets)


def _named(kind: str, name: str, known: Mapping[str, T]) -> T:
    try:
        return known[name]
    except KeyError:
        raise UnknownNameError(kind, name, sorted(known)) from None


def _name_of_part(part: Strategy | TransferabilityEstimator) -> str:
    """Return the name of a strategy or estimator, which studies and folders carry too."""
    return _kebab(part.name)


def _kebab(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"the name {name!r} is not kebab-case, as 'nearest-mean' is")
    return name


def _name_of_preset(path: Path) -> str:
    """Return the name of a preset whose file can be read."""
    read_preset(path)
    return path.stem


# What each hook has to return, and the name of each thing.
_KINDS: dict[str, tuple[str, type, Callable[[Any], str]]] = {
    "autotransfer_strategies": ("strategies", Strategy, _name_of_part),
    "autotransfer_estimators": ("estimators", TransferabilityEstimator, _name_of_part),
    "autotransfer_sources": ("sources", Source, lambda source: source.name),
    "autotransfer_backbones": ("backbones", BackboneBuilder, lambda made: _kebab(made.kind)),
    "autotransfer_modalities": ("modalities", ItemKind, lambda kind: _kebab(kind.name)),
    "autotransfer_search_spaces": ("presets", Path, _name_of_preset),
}


@dataclass
class _Discovery:
    """What has been found so far; only `discover` sees it."""

    manager: pluggy.PluginManager
    found: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {kind: {} for kind, _, _ in _KINDS.values()}
    )
    plugins: list[PluginInfo] = field(default_factory=list)
    broken: list[BrokenPlugin] = field(default_factory=list)

    def add(self, name: str, module: Any, distribution: str, version: str) -> None:
        """Take in one plugin, whole or not at all."""
        if self.manager.has_plugin(name):
            raise PluginError(name, "another plugin has this name")
        unknown = [hook for hook in _hooks_of(self.manager, module) if hook not in _KINDS]
        if unknown:
            raise PluginError(name, f"unknown hook {unknown[0]}; known: {', '.join(_KINDS)}")
        try:
            self._register(name, module)
            staged = self._results(name, module)
            for builder in staged.get("backbones", {}).values():
                offer(builder)
            for kind in staged.get("modalities", {}).values():
                offer_kind(kind)
        except BaseException:
            self.manager.unregister(name=name)
            raise
        offers: list[str] = []
        for kind, things in staged.items():
            self.found[kind].update(things)
            offers += [f"{kind}: {thing}" for thing in things]
        self.plugins.append(PluginInfo(name, distribution, version, tuple(offers)))

    def _register(self, name: str, module: Any) -> None:
        try:
            self.manager.register(module, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(name, str(error).split("\n")[-1]) from error

    def _results(self, name: str, module: Any) -> dict[str, dict[str, Any]]:
        staged: dict[str, dict[str, Any]] = {}
        for hook, (kind, expected, name_of) in _KINDS.items():
            for caller in getattr(self.manager.hook, hook).get_hookimpls():
                if caller.plugin is not module:
                    continue
                staged[kind] = {}
                things = caller.function()
                if not isinstance(things, Iterable):
                    raise PluginError(name, f"{hook} returned {things!r}; return a list")
                for thing in things:
                    if not isinstance(thing, expected):
                        raise PluginError(
                            name,
                            f"{hook} returned {thing!r}; each has to be a {expected.__name__}",
                        )
                    key = name_of(thing)
                    if key in self.found[kind] or key in staged[kind]:
                        raise PluginError(name, f"the name {key!r} is taken by another plugin")
                    staged[kind][key] = thing
        return staged


def discover(*, files: Sequence[Path] = (), entry_point_group: str = NAMESPACE) -> Registry:
    """Return everything that installed plugins and plugin files offer.

    Args:
        files: One-file plugins that the user names; one that fails is an error.
        entry_point_group: The group of entry points to load.

    Raises:
        PluginError: If a file that the user named is missing or fails.
    """
    manager = pluggy.PluginManager(NAMESPACE)
    manager.add_hookspecs(hookspecs)
    discovery = _Discovery(manager)
    for point in sorted(entry_points(group=entry_point_group), key=_precedence):
        _add_entry_point(discovery, point)
    always = filter(None, os.environ.get(PLUGIN_VARIABLE, "").split(os.pathsep))
    named = {_there(path): path for path in (*map(Path, always), *files)}
    for path in named.values():  # one file may be named twice: here and in the environment
        _add_file(discovery, path)
    for plugin in discovery.broken:
        warnings.warn(
            f"plugin {plugin.name!r} ({plugin.distribution} {plugin.version}) was left out: "
            f"{plugin.reason}",
            PluginWarning,
            stacklevel=2,
        )
    return Registry(
        plugins=tuple(discovery.plugins), broken=tuple(discovery.broken), **discovery.found
    )


def _precedence(point: EntryPoint) -> tuple[bool, str, str]:
    """Return the place of an entry point: ours first, so that nobody takes their names."""
    distribution = point.dist.name if point.dist else ""
    return distribution != NAMESPACE, point.name, distribution


def _add_entry_point(discovery: _Discovery, point: EntryPoint) -> None:
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else ""
    try:
        discovery.add(point.name, point.load(), distribution, version)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may fail in any way
        reason = error.reason if isinstance(error, PluginError) else one_line(error)
        discovery.broken.append(BrokenPlugin(point.name, distribution, version, reason))


def _there(path: Path) -> Path:
    """Return the whole path of a plugin file."""
    try:
        if path.is_file():
            return path.resolve()
    except (OSError, ValueError) as error:
        raise PluginError(str(path), one_line(error)) from error
    raise PluginError(str(path), "no such file")


def _add_file(discovery: _Discovery, path: Path) -> None:
    try:
        discovery.add(path.stem, _import_file(path), str(path), "")
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginError(str(path), one_line(error)) from error


def _import_file(path: Path) -> ModuleType:
    """Return the module in a file; the same file is executed once in a process."""
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path.resolve()):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise PluginError(str(path), "not a Python file")
    if known is not None or _is_installed(path):
        raise PluginError(str(path), f"a module named {path.stem} is already there; rename it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # before it runs: timm's registry looks the module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _is_installed(path: Path) -> bool:
    """Return whether another module would be hidden by the name of the file."""
    if "." in path.stem:
        return False
    spec = importlib.util.find_spec(path.stem)
    return spec is not None and Path(spec.origin or "").resolve() != path.resolve()


def _hooks_of(manager: pluggy.PluginManager, module: Any) -> Iterable[str]:
    """Return the names of the functions that the plugin marks as hooks."""
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            yield options.get("specname") or name
