"""Temperature scaling, and how well probabilities are calibrated."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from torch import Tensor

from autotransfer.models.metrics import SMALLEST_PROBABILITY, metric_named

LARGEST = 10.0  # times sharper or softer; beyond it a few images would decide
_BINS = 10
_MOST_NUMBERS = 2_000_000  # that a temperature is fitted to; of more, rows at even distances


def tempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return p^(1/T), normalised; above 1 is softer. Decisions stay as they are.

    Args:
        probabilities: (n, K).
        temperature: T > 0.
    """
    if temperature == 1.0:
        return probabilities
    logits = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)) / temperature
    return softmax(logits, axis=1)


def tempered_tensor(probabilities: Tensor, temperature: float) -> Tensor:
    """Return the same for a tensor, traceable."""
    if temperature == 1.0:
        return probabilities
    logits = torch.log(torch.clamp(probabilities, min=SMALLEST_PROBABILITY)) / temperature
    return logits.softmax(dim=1)


def fit_temperature(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], *, pull: float = 0.0
) -> float:
    """Return the temperature T with the lowest log loss, within a factor of 10 of 1.

    Args:
        probabilities: (n, K) for images that were not learnt from.
        labels: (n,) classes.
        pull: Towards 1, in images: pull / n (log T)^2 is added to the loss.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599.
    """
    step = max(1, -(-probabilities.size // _MOST_NUMBERS))
    probabilities, labels = probabilities[::step], labels[::step]
    as_given = -metric_named("log_loss").score(labels, probabilities)
    logits = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    logits -= logits.max(axis=1, keepdims=True)
    right = logits[np.arange(len(labels)), labels]
    lowest = np.log(SMALLEST_PROBABILITY)

    def loss(log_temperature: float) -> float:
        sharper = np.exp(-log_temperature)
        sums = np.log(np.exp(sharper * logits).sum(axis=1))
        likely = np.maximum(sharper * right - sums, lowest).mean()
        return pull / len(labels) * log_temperature**2 - float(likely)

    limit = float(np.log(LARGEST))
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded")
    return float(np.exp(found.x)) if found.fun < as_given else 1.0


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the expected calibration error in [0, 1], over ten bins with equally many images.

    Args:
        probabilities: (n, K).
        labels: (n,) classes.

    References:
        Nixon et al., Measuring Calibration in Deep Learning, 2019, arXiv:1904.01685 (the bins).
    """
    sure, right, sizes = reliability(probabilities, labels)
    return float(sum(np.abs(right - sure) * sizes) / len(labels))


def reliability(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return mean probability of the answers, share of right ones and size, by bin.

    Args:
        probabilities: (n, K).
        labels: (n,) classes.

    Returns:
        Three (B,) arrays; B is ten, or n where that is less.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    return (
        np.array([sure[b].mean() for b in bins]),
        np.array([right[b].mean() for b in bins]),
        np.array([len(b) for b in bins]),
    )
