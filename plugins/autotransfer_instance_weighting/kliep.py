"""KLIEP: the density ratio of target to source as a sum of Gaussians around target rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import errors

MOST_CENTRES = 100
MOST_TARGET_ROWS = 500  # for the likelihood, which is a mean
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # in units of the median distance
_FOLDS = 5
_ITERATIONS = 100
_TOLERANCE = 1e-5  # of the mean log ratio, in nats
_NO_SOURCE = 1e-12  # mean kernel below which no source row is near a centre


@dataclass(frozen=True)
class RatioModel:
    """w(x) = sum_j alpha_j exp(-|x - c_j|^2 / (2 width^2)).

    Args:
        centres: (c, d) rows of the target.
        alpha: (c,) not negative.
        width: In the units of the features.
    """

    centres: NDArray[np.float64]
    alpha: NDArray[np.float64]
    width: float

    def ratio(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n,) ratios of (n, d) rows."""
        return kernel(x, self.centres, self.width) @ self.alpha


def kliep(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    widths: tuple[float, ...] = WIDTHS,
    seed: int = 0,
) -> RatioModel:
    """Return the ratio that maximises the target's mean log ratio; its mean on the source is 1.

    The width is the one of the highest likelihood on held-out target rows. With weights
    beta_j = alpha_j mean_s k(x_s, c_j) the constraint says that beta sums to one, and the problem
    is that of the shares in a mixture: multiplicative updates rise to its only maximum without
    a step size.

    Args:
        source: (n_s, d).
        target: (n_t, d) with n_t >= 2.
        widths: What to choose from, in units of the median distance between rows.
        seed: Draws the centres and the folds.

    Raises:
        AutotransferError: If no source row is near any target row.

    References:
        Sugiyama et al., Direct importance estimation for covariate shift adaptation, Annals of
        the Institute of Statistical Mathematics 2008.
    """
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(seed)
    target = np.asarray(target, dtype=np.float64)[rng.permutation(len(target))[:MOST_TARGET_ROWS]]
    centres = target[:MOST_CENTRES]
    fold_of = rng.permutation(np.arange(len(target)) % min(_FOLDS, len(target)))
    distances = cdist(centres, np.concatenate([source, centres]))
    unit = float(np.median(distances[distances > 0])) if distances.any() else 1.0
    found = {width: _held_out(source, target, centres, width * unit, fold_of) for width in widths}
    best = max(found, key=lambda width: found[width])
    if not np.isfinite(found[best]):
        raise errors.AutotransferError(
            "KLIEP found no source image near a target image at any of the widths "
            f"{', '.join(f'{w:g}' for w in widths)} (times the median distance): the images "
            "have nothing in common at this stage; choose another weighting or depth"
        )
    near = kernel(source, centres, best * unit).mean(axis=0)
    alpha = _alpha(near, kernel(target, centres, best * unit))
    return RatioModel(centres, alpha, best * unit)


def kernel(
    x: NDArray[np.floating], centres: NDArray[np.floating], width: float
) -> NDArray[np.float64]:
    """Return the (n, c) Gaussian kernel."""
    from scipy.spatial.distance import cdist

    return np.exp(-cdist(x, centres, "sqeuclidean") / (2 * width**2))


def _held_out(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    centres: NDArray[np.float64],
    width: float,
    fold_of: NDArray[np.int64],
) -> float:
    """Return the mean log ratio of target rows that the fit has not seen."""
    on_source = kernel(source, centres, width).mean(axis=0)  # (c,)
    on_target = kernel(target, centres, width)  # (n_t, c)
    logs = []
    for fold in np.unique(fold_of):
        alpha = _alpha(on_source, on_target[fold_of != fold])
        with np.errstate(divide="ignore"):
            logs.append(np.log(on_target[fold_of == fold] @ alpha))
    return float(np.concatenate(logs).mean())


def _alpha(on_source: NDArray[np.float64], on_target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (c,) coefficients of the maximum; zero where no source row is near."""
    near = on_source > _NO_SOURCE
    alpha = np.zeros(len(on_source))
    if not near.any():
        return alpha
    densities = on_target[:, near] / on_source[near]  # (n_t, c)
    reached = densities.sum(axis=1) > 0
    if not reached.any():
        return alpha
    densities = densities[reached]
    beta = np.full(densities.shape[1], 1 / densities.shape[1])
    before = -np.inf
    for _ in range(_ITERATIONS):
        ratio = densities @ beta
        value = float(np.log(ratio).mean())
        if value - before < _TOLERANCE:
            break
        before = value
        beta = beta * (densities / ratio[:, None]).mean(axis=0)
    alpha[near] = beta / on_source[near]
    return alpha
