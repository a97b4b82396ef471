"""Baselines without a source: the finalist's architecture, untrained or trained from scratch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.neural import HeadedSuffix, HeadPredictor, NetworkPredictor
from autotransfer.models.source import Source, Untrained
from autotransfer.models.training import Limits, Schedule, train
from autotransfer.plugin.strategy import Task
from autotransfer.results import Layers

LARGEST_SIDE = 96  # pixels: from scratch, few items do not fill larger inputs, and time counts
SCHEDULE = Schedule(epochs=20, learning_rate=2e-3, weight_decay=5e-2, label_smoothing=0.1)


def untrained_twin(source: Source, seed: int) -> Source:
    """Return the source's architecture with its own initialisation, on smaller items."""
    size = min(source.preprocessing.input_size, LARGEST_SIDE)
    return replace(
        source,
        name=f"{source.name} untrained",
        weights=Untrained(seed),
        preprocessing=replace(source.preprocessing, input_size=size),
        class_names=None,
        pretrained_on="nothing",
        num_pretraining_images=None,
    )


def fit_untrained(task: Task) -> HeadPredictor:
    """Return a ridge head on the last stage of the untrained network."""
    features = task.features(task.train)
    head = fit_ridge(features, task.train.labels, len(task.class_names))
    return HeadPredictor(head, task.features.num_stages)


def fit_scratch(task: Task, *, seed: int, deadline: float | None) -> tuple[NetworkPredictor, bool]:
    """Return the network trained from its initialisation, and whether it had all its epochs.

    Args:
        task: Its source is an untrained twin.
        seed: Seeds the head, the order and the flips.
        deadline: `time.monotonic()` of the end; the schedule shrinks to fit.
    """
    backbone = task.backbone()
    network = HeadedSuffix(
        backbone.suffix(0), backbone.num_features, len(task.class_names), seed=seed
    )
    network.to(task.device)
    inputs = task.features.inputs(task.train, 0)
    planned = SCHEDULE.epochs * -(-len(task.train) // SCHEDULE.batch_size)
    steps = train(
        network,
        lambda positions, _generator: inputs.batch(np.asarray(positions)),
        task.train.labels,
        SCHEDULE,
        seed=seed,
        limits=Limits(deadline, shorten=True),
    )
    layers = Layers(stage=backbone.num_stages, copied=0, tuned=backbone.num_stages)
    predictor = NetworkPredictor.of(network, task.source, frozen=0, layers=layers)
    return predictor, steps == planned
