"""The points that are tried before the sampler proposes any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from autotransfer.plugin.space import SearchSpace
from autotransfer.results import ParamValue
from autotransfer.search.arms import Arms, values_of

SMALL_SPACE = 64  # points; a sampler would propose most of them several times
# Changes of the defaults, in the words of the shared knobs; tried on the first source, in order.
VARIANTS: tuple[Mapping[str, ParamValue], ...] = (
    {"learning_rate_multiplier": 3.0},
    {"depth": 0.5},
    {"learning_rate_multiplier": 0.3},
)


def portfolio(arms: Arms) -> Iterator[tuple[int, str, dict[str, ParamValue]]]:
    """Yield (rank of the source, name of the strategy, parameters), in order.

    The default of every arm comes first, source by source; then, on the first source, each
    strategy's variants as far as its space has them. A small space without continuous parameters
    is gone through as a whole.
    """
    for rank, name in arms.defaults():
        yield rank, name, arms.spaces[name].defaults()
    for change in VARIANTS:
        for rank, name in arms.defaults():
            params = _changed(arms.spaces[name], change)
            if rank == 1 and params is not None:
                yield rank, name, params
    if arms.num_points <= SMALL_SPACE:
        for rank, name in arms.defaults():
            for params in _every_point(arms.spaces[name]):
                yield rank, name, params


def _every_point(space: SearchSpace) -> Iterator[dict[str, ParamValue]]:
    """Yield every point of a space without continuous parameters."""
    names = list(space.parameters)
    for values in product(*(values_of(space.parameters[name]) for name in names)):
        point = dict(zip(names, values, strict=True))
        if all(p.active(point) or point[n] == p.default for n, p in space.parameters.items()):
            yield point


def _changed(space: SearchSpace, change: Mapping[str, ParamValue]) -> dict[str, ParamValue] | None:
    """Return the defaults with a change, or None where the space has no room for it."""
    for name, value in change.items():
        parameter = space.parameters.get(name)
        if parameter is None or not parameter.allows(value) or parameter.default == value:
            return None
    return {**space.defaults(), **change}
