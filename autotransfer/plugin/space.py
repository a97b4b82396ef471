"""Search spaces: named parameters, each with an Optuna distribution and a default."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from typing_extensions import override

from autotransfer.errors import InvalidSpaceError
from autotransfer.results import ParamValue

# Knobs that mean the same for every arm, so that what one arm teaches the sampler helps the next.
SHARED_KNOBS = ("learning_rate_multiplier", "regularisation", "depth")


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Args:
        distribution: The values it may take.
        default: The value that is tried first; it lies in the distribution.
        condition: Values that other parameters, which come before it, must have for it to have
            an effect; no values stand for any but zero.
    """

    distribution: BaseDistribution
    default: ParamValue
    condition: Mapping[str, tuple[ParamValue, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.distribution, CategoricalDistribution):
            low, high = self.distribution.low, self.distribution.high  # type: ignore[attr-defined]
            if not (math.isfinite(low) and math.isfinite(high)):
                raise InvalidSpaceError(f"bounds must be finite, got [{low:g}, {high:g}]")
        if not self.allows(self.default):
            raise InvalidSpaceError(
                f"default {self.default!r} lies outside {describe(self.distribution)}"
            )

    @property
    def values(self) -> tuple[ParamValue, ...]:
        """Return every choice, or the two bounds."""
        if isinstance(self.distribution, CategoricalDistribution):
            return tuple(self.distribution.choices)  # type: ignore[arg-type]
        return self.distribution.low, self.distribution.high  # type: ignore[attr-defined]

    def only_where(self, **values: tuple[ParamValue, ...]) -> Parameter:
        """Return the parameter with a condition: `only_where(head=("ridge",), weight=())`."""
        return replace(self, condition=values)

    def active(self, params: Mapping[str, ParamValue]) -> bool:
        """Return whether it has an effect beside these values of the other parameters."""
        return all(
            params[name] in values if values else bool(params[name])
            for name, values in self.condition.items()
        )

    def allows(self, value: object) -> bool:
        """Return whether the value is one that the parameter may take."""
        if isinstance(self.distribution, CategoricalDistribution):
            return any(value == c and type(value) is type(c) for c in self.distribution.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(self.distribution, IntDistribution) and not isinstance(value, int):
            return False
        return self.distribution.low <= value <= self.distribution.high  # type: ignore[attr-defined, no-any-return]


@dataclass(frozen=True)
class SearchSpace:
    """Parameters by name; a parameter that is fixed has one possible value."""

    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        before: set[str] = set()
        for name, parameter in self.parameters.items():
            if not name.isidentifier():
                raise InvalidSpaceError(f"parameter name {name!r} is not an identifier")
            for other in parameter.condition.keys() - before:
                raise InvalidSpaceError(f"{name} depends on {other}, which must come before it")
            before.add(name)
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    @classmethod
    def of(cls, **parameters: Parameter) -> SearchSpace:
        """Return the space of the given parameters."""
        return cls(parameters)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and dict(self.parameters) == dict(other.parameters)

    @override
    def __hash__(self) -> int:
        return hash(tuple(sorted(self.parameters)))

    @override
    def __reduce__(self) -> tuple[type[SearchSpace], tuple[dict[str, Parameter]]]:
        return SearchSpace, (dict(self.parameters),)

    def defaults(self) -> dict[str, ParamValue]:
        """Return the default of every parameter."""
        return {name: parameter.default for name, parameter in self.parameters.items()}

    def contains(self, params: Mapping[str, object]) -> bool:
        """Return whether these are values for exactly the parameters of the space."""
        return params.keys() == self.parameters.keys() and all(
            self.parameters[name].allows(value) for name, value in params.items()
        )

    def suggest(self, trial: optuna.trial.BaseTrial, prefix: str) -> dict[str, ParamValue]:
        """Return a value for every parameter, asked of the sampler where it has an effect.

        Args:
            trial: The Optuna trial.
            prefix: Name of the strategy; shared knobs go without it.
        """
        found: dict[str, ParamValue] = {}
        for name, parameter in self.parameters.items():
            found[name] = parameter.default
            if parameter.active(found):
                found[name] = _suggest(trial, study_name(name, prefix), parameter.distribution)
        return found

    def encode(self, params: Mapping[str, ParamValue], prefix: str) -> dict[str, ParamValue]:
        """Return the parameters under the names that the study knows them by."""
        return {study_name(name, prefix): value for name, value in params.items()}

    def __add__(self, other: SearchSpace) -> SearchSpace:
        """Return the parameters of both spaces.

        Raises:
            InvalidSpaceError: If both have a parameter of one name.
        """
        twice = sorted(self.parameters.keys() & other.parameters.keys())
        if twice:
            raise InvalidSpaceError(f"both spaces have {', '.join(twice)}; rename one of them")
        return SearchSpace({**self.parameters, **other.parameters})

    def with_parameter(self, name: str, parameter: Parameter) -> SearchSpace:
        """Return the space with one parameter replaced; what it depends on stays."""
        if name in self.parameters:
            parameter = replace(parameter, condition=self.parameters[name].condition)
        return replace(self, parameters={**self.parameters, name: parameter})


def study_name(name: str, strategy: str) -> str:
    """Return the name of a parameter in the study: shared knobs have no prefix."""
    return name if name in SHARED_KNOBS else f"{strategy}.{name}"


def floating(low: float, high: float, *, default: float, log: bool = False) -> Parameter:
    """Return a real parameter in [low, high]."""
    return _parameter(partial(FloatDistribution, low, high, log=log), default)


def integer(low: int, high: int, *, default: int, log: bool = False) -> Parameter:
    """Return a whole parameter in [low, high]."""
    return _parameter(partial(IntDistribution, low, high, log=log), default)


def choice(options: Sequence[ParamValue], *, default: ParamValue) -> Parameter:
    """Return a parameter that is one of the options."""
    return _parameter(partial(CategoricalDistribution, tuple(options)), default)


def fixed(value: ParamValue) -> Parameter:
    """Return a parameter that has one value."""
    return choice((value,), default=value)


def learning_rate_multiplier(*, default: float = 1.0) -> Parameter:
    """Return the shared knob that multiplies the strategy's own learning rate."""
    return floating(0.1, 10.0, default=default, log=True)


def regularisation(*, default: float = 1.0) -> Parameter:
    """Return the shared knob that multiplies the strategy's own strength of regularisation."""
    return floating(1e-3, 1e3, default=default, log=True)


def depth(*, default: float = 1.0) -> Parameter:
    """Return the shared knob: the fraction of the source's stages that are used frozen."""
    return floating(0.0, 1.0, default=default)


def training_space(*, default_depth: float, **own: Parameter) -> SearchSpace:
    """Return the space of a strategy that trains layers: the three shared knobs, and its own."""
    return SearchSpace.of(
        depth=depth(default=default_depth),
        learning_rate_multiplier=learning_rate_multiplier(),
        regularisation=regularisation(),
        **own,
    )


def describe(distribution: BaseDistribution) -> str:
    """Return the allowed values in words."""
    if isinstance(distribution, CategoricalDistribution):
        return "{" + ", ".join(repr(option) for option in distribution.choices) + "}"
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    return f"[{low:g}, {high:g}]" + (" (log)" if distribution.log else "")  # type: ignore[attr-defined]


def _parameter(made: Callable[[], BaseDistribution], default: ParamValue) -> Parameter:
    """Return a parameter; Optuna's refusal of the distribution is an error of the space."""
    try:
        distribution = made()
    except ValueError as error:
        raise InvalidSpaceError(str(error)) from error
    return Parameter(distribution, default)


def _suggest(
    trial: optuna.trial.BaseTrial, name: str, distribution: BaseDistribution
) -> ParamValue:
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            value = trial.suggest_categorical(name, choices)
            assert value is not None
            return value
    raise InvalidSpaceError(f"{name}: {type(distribution).__name__} is not supported")
