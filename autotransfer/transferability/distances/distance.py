"""All distances between two feature samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numpy.typing import ArrayLike

from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import UndefinedScoreError, UnknownNameError
from autotransfer.transferability.distances.coral import Coral
from autotransfer.transferability.distances.energy import Energy
from autotransfer.transferability.distances.frechet import Frechet
from autotransfer.transferability.distances.js_divergence import JsDivergence
from autotransfer.transferability.distances.measure import DomainDistance
from autotransfer.transferability.distances.mmd import Mmd, MmdPValue, MultiKernelMmd
from autotransfer.transferability.distances.proxy_a import ProxyADistance, ProxyANull
from autotransfer.transferability.distances.samples import Samples
from autotransfer.transferability.distances.sliced_wasserstein import SlicedWasserstein

MEASURES: tuple[DomainDistance, ...] = (
    Mmd(),
    MmdPValue(),
    MultiKernelMmd(),
    JsDivergence(),
    ProxyADistance(),
    ProxyANull(),
    Coral(),
    Frechet(),
    Energy(),
    SlicedWasserstein(),
)


def domain_distance(
    X1: ArrayLike, X2: ArrayLike, measures: Sequence[str] | None = None
) -> dict[str, float]:
    """Return distances between two samples of features of one backbone; lower is closer.

    Args:
        X1: (n, d) features of one image set.
        X2: (m, d) features of the other.
        measures: Names of the measures; None for all that are defined here.

    Returns:
        The value of each name, in the order asked for.

    Raises:
        UnknownNameError: If a name is not that of a measure.
        UndefinedScoreError: If a named measure has no value here.
        InvalidTargetError: A ValueError, if the input cannot be used.
    """
    known = {measure.name: measure for measure in MEASURES}
    names = [measures] if isinstance(measures, str) else measures
    for name in names or ():
        if name not in known:
            raise UnknownNameError("measure", name, list(known))
    samples = Samples.of(X1, X2)
    values = {}
    for name in known if names is None else names:
        try:
            values[name] = _distance(known[name], samples)
        except UndefinedScoreError:
            if names is not None:
                raise
    return values


def _distance(measure: DomainDistance, samples: Samples) -> float:
    """Return a distance; what a library cannot compute, or makes NaN, is undefined."""
    with refused_as(UndefinedScoreError, f"{measure.name} has no value here"):
        value = float(measure.distance(samples))
        if math.isnan(value):
            raise UndefinedScoreError(f"{measure.name} has no value here: it is NaN")
    return value
