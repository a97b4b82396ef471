"""How much each class counts, where the user says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidOptionError
from autotransfer.scenarios.options import Options


def class_weights_of(chosen: Options, images: ImageSet) -> NDArray[np.float64] | None:
    """Return (K,) how much each class counts; None for as much as it occurs.

    Raises:
        InvalidOptionError: If a class is unknown, or a weight is not a positive number.
    """
    given = chosen.class_weights
    if given is None:
        return None
    names = images.class_names
    if given == "balanced":
        counts = np.bincount(images.labels, minlength=len(names))
        weights: NDArray[np.float64] = counts.sum() / np.maximum(counts, 1) / len(names)
        return weights
    pairs = _weights(given) if isinstance(given, str) else dict(given)
    unknown = [name for name in pairs if name not in names]
    if unknown:
        raise InvalidOptionError(
            f"class_weights: there is no class {unknown[0]!r}; there are {', '.join(names)}"
        )
    found = np.array([float(pairs.get(name, 1.0)) for name in names])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InvalidOptionError(f"class_weights must be positive numbers, got {pairs}")
    return found


def _weights(text: str) -> dict[str, float]:
    pairs = {}
    for part in text.split(","):
        name, _, weight = part.rpartition("=")
        try:
            pairs[name.strip()] = float(weight)
        except ValueError:
            raise InvalidOptionError(
                f"class_weights must be 'balanced', or 'CLASS=WEIGHT,...', got {text!r}"
            ) from None
    return pairs
