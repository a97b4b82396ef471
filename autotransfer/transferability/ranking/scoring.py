"""What the ranking knows of one source: its scores and how a probe does at every stage."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.domain_results import DomainAccuracies
from autotransfer.errors import (
    DataWarning,
    InvalidSourceError,
    OverrunError,
    UndefinedScoreError,
    one_line,
)
from autotransfer.models.features import Features
from autotransfer.models.single_thread import single_thread
from autotransfer.models.source import Source
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need
from autotransfer.transferability.ranking.left_out_domains import left_out_accuracies
from autotransfer.transferability.scores.ridge_loo import leave_one_out_hits


@dataclass(frozen=True, eq=False)
class Scored:
    """One source on one set of items.

    Args:
        source: The source.
        features: (n, d) pooled features of the last stage.
        probabilities: (n, Z) of the source's head; None without one, or when no score asks.
        scores: Score by estimator; undefined ones are left out.
        hits: (S, n) whether a ridge probe on the stage is right about an item that it was
            fitted without; NaN where that is undefined.
        seconds: Wall time of the forward passes and scores so far.
        megabytes: Size of the network.
        left_out: How a probe at the stage does on left-out domains; None without domains.
    """

    source: Source
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None
    scores: Mapping[str, float]
    hits: NDArray[np.float64]
    seconds: float
    megabytes: float
    left_out: DomainAccuracies | None = None

    @property
    def num_images(self) -> int:
        """Return the number of items that the scores rest on."""
        return len(self.features)

    @property
    def stage(self) -> int:
        """Return the stage that a probe should read, in 1..S.

        The last one, unless an earlier one is better by more than one standard error of the
        paired difference; of those the best.
        """
        last = len(self.hits) - 1
        gains = self.hits - self.hits[last]
        if np.isnan(gains).all():
            return last + 1
        gain = np.nanmean(gains, axis=1)
        error = np.nanstd(gains, axis=1) / np.sqrt(max(self.hits.shape[1], 1))
        gain[gain <= error] = 0.0
        gain[last] = 1e-12  # of equals the last
        return int(gain.argmax()) + 1

    @property
    def stage_accuracies(self) -> tuple[float | None, ...]:
        """Return the leave-one-out accuracy of a probe at each stage; None where undefined."""
        return tuple(None if np.isnan(row).all() else float(np.nanmean(row)) for row in self.hits)


def score_source(
    reader: Features,
    images: ImageSet,
    estimators: Sequence[TransferabilityEstimator],
    domains: Sequence[str] | None = None,
) -> Scored:
    """Return the scores of one source on labelled items; its features are read or computed.

    Args:
        reader: Features of the source.
        images: (n,) labelled items.
        estimators: The scores.
        domains: (n,) name of the domain of each item; None without domains.

    Raises:
        InvalidSourceError: If the source cannot be loaded, or its features are not numbers.
    """
    began, before = time.perf_counter(), reader.seconds
    stages = [reader(images, stage) for stage in range(1, reader.num_stages + 1)]
    probabilities = None
    wanted = any(Need.SOURCE_HEAD in estimator.needs for estimator in estimators)
    if wanted and reader.layout.num_source_classes:
        probabilities = reader.probabilities(images)
    fresh = reader.seconds - before
    labels = images.labels
    hits = np.full((len(stages), len(images)), np.nan)
    with single_thread():  # a few hundred rows: threads cost more than they give
        if not np.isfinite(stages[-1]).all():
            num_wrong = int((~np.isfinite(stages[-1])).any(axis=1).sum())
            raise InvalidSourceError(
                f"source {reader.source.name!r}: {num_wrong} of {len(images)} items give features "
                "that are not finite; its weights or its preprocessing are wrong"
            )
        statistics = Statistics.of(stages[-1], labels, probabilities)
        scores = scores_of(statistics, estimators)
        for row, features in zip(hits[:-1], stages[:-1], strict=True):
            if np.isfinite(features).all():
                row[:] = _hits(Statistics.of(features, labels))
        hits[-1] = _hits(statistics)
    found = Scored(
        reader.source, stages[-1], probabilities, scores, hits, 0.0, reader.layout.megabytes
    )
    if domains is not None:
        with single_thread():
            left_out = left_out_accuracies(stages[found.stage - 1], labels, domains)
        found = replace(found, left_out=left_out)
    scoring = time.perf_counter() - began - fresh
    return replace(found, seconds=reader.seconds + scoring)


def scores_of(
    statistics: Statistics, estimators: Sequence[TransferabilityEstimator]
) -> dict[str, float]:
    """Return every score that is defined.

    A score of a plugin that fails otherwise is left out with a warning: one faulty plugin must
    not stop a ranking.
    """
    found = {}
    for estimator in estimators:
        try:
            value = float(estimator.score(statistics))
        except UndefinedScoreError:
            continue
        except (KeyboardInterrupt, OverrunError):
            raise
        except BaseException as error:  # noqa: BLE001 - a third party's code
            warnings.warn(
                f"the score {estimator.name} failed and is left out: {one_line(error)}",
                DataWarning,
                stacklevel=2,
            )
            continue
        if np.isfinite(value):
            found[estimator.name] = value
    return found


def _hits(statistics: Statistics) -> NDArray[np.float64]:
    try:
        return leave_one_out_hits(statistics)
    except UndefinedScoreError:
        return np.full(statistics.num_images, np.nan)
