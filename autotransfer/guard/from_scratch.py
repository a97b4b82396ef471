"""Baselines without a source: the finalist's architecture, untrained or trained from scratch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.models.predictors.neural import HeadedSuffix, NetworkPredictor
from autotransfer.models.schedule import Limits, Schedule
from autotransfer.models.source import Source, Untrained
from autotransfer.models.training import train
from autotransfer.plugin.strategy import Task
from autotransfer.results import Layers

Hopeless: TypeAlias = Callable[[NetworkPredictor], bool]
Predictions: TypeAlias = NDArray[np.float64]

AT_MOST = 2.0  # times the gain between two rungs is what training gains after them
LARGEST_SIDE = 96  # pixels: from scratch, few items do not fill larger inputs, and time counts
SCHEDULE = Schedule(epochs=20, learning_rate=2e-3, weight_decay=5e-2, label_smoothing=0.1)


def untrained_twin(source: Source, seed: int) -> Source:
    """Return the source's architecture with its own initialisation, on smaller items."""
    preprocessing = source.preprocessing
    if isinstance(preprocessing, Preprocessing):
        size = min(preprocessing.input_size, LARGEST_SIDE)
        preprocessing = replace(preprocessing, input_size=size)
    return replace(
        source,
        name=f"{source.name} untrained",
        weights=Untrained(seed),
        preprocessing=preprocessing,
        class_names=None,
        pretrained_on="nothing",
        num_pretraining_images=None,
    )


def hopeless_where(
    said: Callable[[NetworkPredictor], Predictions],
    score: Callable[[Predictions], float],
    lost: Callable[[Predictions, float], bool],
) -> Hopeless:
    """Return what says of a network in training that another baseline is out of its reach.

    Its curve is taken to flatten: from a third of the schedule on, which is the second rung, it
    gains at most twice what it has gained since the first one, a ninth.

    Args:
        said: Returns the predictions of the tested items.
        score: Returns their score.
        lost: Returns whether predictions are clearly worse than those of another baseline, even
            were their score so much higher.
    """
    scores: list[float] = []

    def hopeless(predictor: NetworkPredictor) -> bool:
        found = said(predictor)
        scores.append(score(found))
        if len(scores) < 2:
            return False
        return lost(found, AT_MOST * max(scores[-1] - scores[-2], 0.0))

    return hopeless


class CannotWinError(Exception):
    """Training has ended because another baseline is out of reach; it has what was learnt."""

    def __init__(self, predictor: NetworkPredictor) -> None:
        super().__init__("another baseline is out of reach")
        self.predictor = predictor


def fit_scratch(
    task: Task, *, seed: int, deadline: float | None, hopeless: Hopeless | None = None
) -> tuple[NetworkPredictor, bool]:
    """Return the network trained from its initialisation, and whether it had all its epochs.

    Args:
        task: Its source is an untrained twin.
        seed: Seeds the head, the order and the flips.
        deadline: `time.monotonic()` of the end; the schedule shrinks to fit.
        hopeless: Asked at each rung of the schedule, with what was learnt so far, whether there
            is no point in going on.

    Raises:
        CannotWinError: If there is none.
    """
    backbone = task.backbone()
    network = HeadedSuffix(
        backbone.suffix(0), backbone.num_features, len(task.class_names), seed=seed
    )
    network.to(task.device)
    layers = Layers(stage=backbone.num_stages, copied=0, tuned=backbone.num_stages)

    def so_far() -> NetworkPredictor:
        return NetworkPredictor.of(network, task.source, frozen=0, layers=layers)

    def stop_where_hopeless(_progress: float) -> None:
        if hopeless is not None and hopeless(so_far()):
            raise CannotWinError(so_far())

    inputs = task.features.inputs(task.train, 0)
    planned = SCHEDULE.epochs * -(-len(task.train) // SCHEDULE.batch_size)
    steps = train(
        network,
        lambda positions, _generator: inputs.batch(np.asarray(positions)),
        task.train.labels,
        SCHEDULE,
        seed=seed,
        limits=Limits(deadline, shorten=True),
        on_rung=None if hopeless is None else stop_where_hopeless,
    )
    return so_far(), steps == planned
