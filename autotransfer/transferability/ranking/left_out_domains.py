"""How well a source answers on domains that it was not taught on: one more family of scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.domains import fold_numbers
from autotransfer.domain_results import DomainAccuracies
from autotransfer.models.heads.ridge import fit_ridge

LEFT_OUT = "left-out domains"
COUNTS_FROM = 4  # domains: where one or two teach the rest, sources were ordered worse by it


def left_out_accuracies(
    features: NDArray[np.floating], labels: NDArray[np.int64], domains: Sequence[str]
) -> DomainAccuracies | None:
    """Return the accuracy of a ridge probe on each domain; None where nothing can be left out.

    Each domain is answered by a probe of the others; of more than ten domains, several are left
    out together.

    Args:
        features: (n, d).
        labels: (n,) classes.
        domains: (n,) name of the domain of each item.
    """
    of, fold = np.asarray(domains), fold_numbers(domains)
    num_classes, hits = int(labels.max()) + 1, np.zeros(len(labels))
    for k in np.unique(fold):
        taught, tested = fold != k, fold == k
        if len(np.unique(labels[taught])) < 2:
            return None
        head = fit_ridge(features[taught], labels[taught], num_classes)
        hits[tested] = head.logits(features[tested]).argmax(axis=1) == labels[tested]
    return DomainAccuracies({str(name): float(hits[of == name].mean()) for name in np.unique(of)})


def score_of(found: DomainAccuracies | None) -> dict[str, float]:
    """Return the score of a source, half the mean over domains, half the worst one.

    With fewer than four domains there is none: accuracies are shown, and order nothing.
    """
    if found is None or len(found.by_domain) < COUNTS_FROM:
        return {}
    return {LEFT_OUT: (found.mean + found.by_domain[found.worst]) / 2}
