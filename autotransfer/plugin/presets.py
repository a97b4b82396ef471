"""Presets: TOML files that choose strategies and fix, narrow, widen or exclude parameters."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from autotransfer.errors import InvalidSpaceError
from autotransfer.plugin.space import SHARED_KNOBS, Parameter, SearchSpace, choice, describe, fixed
from autotransfer.results import ParamValue

_TOP_KEYS = ("description", "strategies", "shared")
_RANGE_KEYS = {"low", "high", "log", "default"}
_CHOICE_KEYS = {"choices", "exclude", "default"}


@dataclass(frozen=True)
class Preset:
    """What a preset file says.

    Args:
        path: The file.
        description: One line for `autotransfer spaces`.
        strategies: Names of the strategies to use; None is all of them.
        shared: Changes of shared knobs, for every strategy.
        tables: Changes of parameters, by strategy.
    """

    path: Path
    description: str
    strategies: tuple[str, ...] | None
    shared: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]

    def check(self, spaces: Mapping[str, SearchSpace]) -> None:
        """Refuse names and values that no strategy knows.

        Args:
            spaces: The space of every installed strategy, by name.

        Raises:
            InvalidSpaceError: Naming the file and the key.
        """
        keys = {
            **dict.fromkeys(self.strategies or (), "strategies"),
            **{k: k for k in self.tables},
        }
        for name, key in keys.items():
            if name not in spaces:
                raise self._error(
                    key, f"no such strategy: {name!r}; installed: {', '.join(spaces)}"
                )
        if self.strategies is not None and not self.strategies:
            raise self._error("strategies", "is empty; name at least one strategy")
        for name in self.shared:
            if name not in SHARED_KNOBS:
                raise self._error(
                    f"shared.{name}", f"no such shared knob; known: {', '.join(SHARED_KNOBS)}"
                )
        for name, space in spaces.items():
            self.apply(name, space)

    def apply(self, strategy: str, space: SearchSpace) -> SearchSpace:
        """Return the space of a strategy as the preset changes it."""
        given = space
        for name, value in self.shared.items():
            if name in space.parameters:
                space = self._change(space, f"shared.{name}", name, value)
        table = self.tables.get(strategy, {})
        for name in self._excluded(strategy, table, space):
            parameter = space.parameters[name]
            space = space.with_parameter(name, _like(parameter, parameter.default))
        for name, value in table.items():
            if name == "exclude":
                continue
            if name not in space.parameters:
                raise self._error(
                    f"{strategy}.{name}",
                    f"no such parameter; {strategy} has {', '.join(space.parameters)}",
                )
            space = self._change(space, f"{strategy}.{name}", name, value)
        for name in table.keys() & space.parameters.keys():
            now = space.parameters[name]
            self._check_effect(f"{strategy}.{name}", given.parameters[name], now, space)
        return space

    def _check_effect(
        self, key: str, before: Parameter, parameter: Parameter, space: SearchSpace
    ) -> None:
        """Refuse to set what has no effect beside any value that is left of another parameter."""
        if parameter.default == before.default and parameter.distribution.single():
            return
        for name, wanted in parameter.condition.items():
            left = space.parameters[name].values
            if not any(value in wanted if wanted else value for value in left):
                needed = " or ".join(map(repr, wanted)) or "above 0"
                raise self._error(
                    key, f"has no effect while {name} is {left[0]!r}; it needs {name} {needed}"
                )

    def _excluded(
        self, strategy: str, table: Mapping[str, Any], space: SearchSpace
    ) -> Sequence[str]:
        names: list[str] = table.get("exclude", [])
        if not _strings(names):
            raise self._error(f"{strategy}.exclude", "must be a list of parameter names")
        for name in names:
            if name in table:
                raise self._error(
                    f"{strategy}.exclude", f"{name!r} is changed as well; keep one of the two"
                )
            if name not in space.parameters:
                raise self._error(
                    f"{strategy}.exclude",
                    f"{name!r} is no parameter; {strategy} has {', '.join(space.parameters)}",
                )
        return names

    def _change(self, space: SearchSpace, key: str, name: str, value: Any) -> SearchSpace:
        parameter = space.parameters[name]
        try:
            changed = _changed(parameter, value)
            _keep_meaning(key, name, parameter, changed)
        except (InvalidSpaceError, ValueError, TypeError) as error:
            raise self._error(key, str(error)) from error
        return space.with_parameter(name, changed)

    def _error(self, key: str, reason: str) -> InvalidSpaceError:
        return InvalidSpaceError(f"{self.path}: {key}: {reason}")


def read_preset(path: Path) -> Preset:
    """Return the preset in a TOML file.

    Raises:
        InvalidSpaceError: If the file cannot be read, is not TOML, or has the wrong shape.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSpaceError(f"{path}: not TOML ({error})") from error
    except (OSError, ValueError) as error:
        raise InvalidSpaceError(f"{path}: the search space cannot be read ({error})") from error
    strategies = content.get("strategies")
    if strategies is not None and not _strings(strategies):
        raise InvalidSpaceError(f"{path}: strategies: must be a list of names")
    if strategies is not None and len(set(strategies)) < len(strategies):
        raise InvalidSpaceError(f"{path}: strategies: a name occurs twice in {strategies}")
    description = content.get("description", "")
    if not isinstance(description, str):
        raise InvalidSpaceError(f"{path}: description: must be a text, got {description!r}")
    tables = {key: value for key, value in content.items() if key not in _TOP_KEYS}
    for key, table in {**tables, "shared": content.get("shared", {})}.items():
        if not isinstance(table, dict):
            raise InvalidSpaceError(f"{path}: {key}: must be a table of parameters")
    return Preset(
        path=path,
        description=description,
        strategies=None if strategies is None else tuple(strategies),
        shared=content.get("shared", {}),
        tables=tables,
    )


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _changed(parameter: Parameter, value: Any) -> Parameter:
    """Return the parameter fixed to a scalar, or with its range or choices changed."""
    if not isinstance(value, dict):
        return _fixed(parameter, value)
    if isinstance(parameter.distribution, CategoricalDistribution):
        return _with_choices(parameter, parameter.distribution, value)
    return _with_range(parameter, value)


def _fixed(parameter: Parameter, value: Any) -> Parameter:
    distribution = parameter.distribution
    if isinstance(distribution, FloatDistribution) and type(value) is int:
        value = float(value)
    expected: type = {FloatDistribution: float, IntDistribution: int}.get(
        type(distribution), type(parameter.default)
    )
    chosen: ParamValue = value
    if type(value) is not expected:
        raise InvalidSpaceError(f"{value!r} is of the wrong type; expected {expected.__name__}")
    if isinstance(distribution, CategoricalDistribution) and not parameter.allows(value):
        raise InvalidSpaceError(f"{value!r} is not one of {describe(distribution)}")
    return _like(parameter, chosen)


def _like(parameter: Parameter, value: ParamValue) -> Parameter:
    """Return the parameter with one value; its kind stays, as a study cannot change that."""
    match parameter.distribution:
        case FloatDistribution(log=log):
            number = _number("the value", value, float)
            return Parameter(FloatDistribution(number, number, log=log), number)
        case IntDistribution(log=log):
            return Parameter(IntDistribution(int(value), int(value), log=log), value)
    return fixed(value)


def _with_choices(
    parameter: Parameter, distribution: CategoricalDistribution, value: Mapping[str, Any]
) -> Parameter:
    _refuse_unknown(value, _CHOICE_KEYS)
    known = list(distribution.choices)
    for key in ("choices", "exclude"):
        listed = value.get(key, [])
        if not isinstance(listed, list):
            raise InvalidSpaceError(f"{key} must be a list, got {listed!r}")
        if len(set(map(repr, listed))) < len(listed):
            raise InvalidSpaceError(f"{key} names a choice twice: {listed!r}")
        for option in listed:
            if not parameter.allows(option):
                raise InvalidSpaceError(f"{option!r} is not one of {describe(distribution)}")
    kept = [c for c in value.get("choices", known) if c not in value.get("exclude", [])]
    if not kept:
        raise InvalidSpaceError("no choice is left")
    fallback = parameter.default if parameter.default in kept else kept[0]
    default = value.get("default", fallback)
    return choice(kept, default=default)


def _with_range(parameter: Parameter, value: Mapping[str, Any]) -> Parameter:
    _refuse_unknown(value, _RANGE_KEYS)
    distribution = parameter.distribution
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kind = int if isinstance(distribution, IntDistribution) else float
    bounds = {
        key: _number(key, value.get(key, getattr(distribution, key)), kind)
        for key in ("low", "high")
    }
    if bounds["low"] > bounds["high"]:
        raise InvalidSpaceError(f"low {bounds['low']:g} is above high {bounds['high']:g}")
    log = value.get("log", distribution.log)
    if not isinstance(log, bool):
        raise InvalidSpaceError(f"log must be true or false, got {log!r}")
    changed = type(distribution)(bounds["low"], bounds["high"], log=log)  # type: ignore[arg-type]
    default = _number("default", value.get("default", parameter.default), kind)
    if "default" not in value:
        default = min(max(default, bounds["low"]), bounds["high"])
    return Parameter(changed, default)


def _number(key: str, value: Any, kind: type[int] | type[float]) -> int | float:
    """Return a finite number of the kind of the parameter."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidSpaceError(f"{key} must be a finite number, got {value!r}")
    if kind is int and value != int(value):
        raise InvalidSpaceError(f"{key} must be a whole number, got {value!r}")
    return kind(value)


def _keep_meaning(key: str, name: str, before: Parameter, after: Parameter) -> None:
    """Refuse changes after which a shared knob no longer means the same for every arm."""
    old, new = before.distribution, after.distribution
    if name not in SHARED_KNOBS or not isinstance(old, FloatDistribution):
        return
    assert isinstance(new, FloatDistribution)  # a change keeps the kind
    if new.log != old.log and not key.startswith("shared."):
        raise InvalidSpaceError(f"log can only change for all strategies, in [shared] {name}")
    if name == "depth" and not 0 <= new.low <= new.high <= 1:
        raise InvalidSpaceError(
            f"depth is a fraction of the stages, in [0, 1]; got [{new.low:g}, {new.high:g}]"
        )


def _refuse_unknown(value: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(value) - known)
    if unknown:
        raise InvalidSpaceError(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
