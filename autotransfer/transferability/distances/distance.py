"""All distances between two feature samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from numpy.typing import ArrayLike

from autotransfer.transferability.distances.coral import coral
from autotransfer.transferability.distances.energy import energy
from autotransfer.transferability.distances.frechet import frechet
from autotransfer.transferability.distances.js_divergence import js_divergence
from autotransfer.transferability.distances.mmd import mmd, mmd_p_value, multi_kernel_mmd
from autotransfer.transferability.distances.proxy_a import proxy_a_distance, proxy_a_null
from autotransfer.transferability.distances.samples import Samples
from autotransfer.transferability.distances.sliced_wasserstein import sliced_wasserstein
from autotransfer.transferability.named_values import named_values

# Each is a finite number, lower is closer, or raises `UndefinedScoreError` where it has no value.
MEASURES: Mapping[str, Callable[[Samples], float]] = {
    "mmd": mmd,
    "mmd-p-value": mmd_p_value,
    "mk-mmd": multi_kernel_mmd,
    "js-divergence": js_divergence,
    "proxy-a-distance": proxy_a_distance,
    "proxy-a-null": proxy_a_null,
    "coral": coral,
    "frechet": frechet,
    "energy": energy,
    "sliced-wasserstein": sliced_wasserstein,
}


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
    return named_values("measure", MEASURES, measures, lambda: Samples.of(X1, X2))
