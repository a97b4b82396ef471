"""A common space of features and attributes, learned with a cosine cross-entropy."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional

from autotransfer.plugin import errors
from autotransfer_attribute_zero_shot.head_task import HeadTask
from autotransfer_attribute_zero_shot.predictor import Towers

WIDTH = 128
TEMPERATURE = 0.05
MOST_DIRECTIONS = 256
_STEPS = 150
_RATE = 3e-3
_NOISE = 1.0  # std of the noise on features, in units of their root mean square


def fit_embedding(task: HeadTask) -> Towers:
    """Return the towers of f(x) = P'z + p and g(y) = G'y, compared by their cosine.

    Cross-entropy over the seen classes at temperature 0.05, all images in every step, classes
    of equal weight; Adam with a cosine schedule. A cosine does not feel the length of weights, so
    what regularises is noise on the features: on average a ridge penalty on P.

    Args:
        task: Its strength multiplies the variance of the noise, its seed initialises both maps.

    Raises:
        DeadlineError: If it is reached.

    References:
        Frome et al., DeViSE: A deep visual-semantic embedding model, NIPS 2013, for the common
        space; Radford et al., arXiv:2103.00020, for the loss.
    """
    z, labels, rows = task.decomposition, task.labels, task.rows
    order = np.argsort(-z.values)[:MOST_DIRECTIONS]
    spread = np.sqrt(max(float(z.values[order].mean()) / len(labels), 1e-300))
    x = torch.from_numpy((z.coordinates[:, order] / spread).astype(np.float32))
    y = torch.from_numpy(rows.astype(np.float32))
    truth = torch.from_numpy(labels.copy())  # labels are read-only
    counts = torch.bincount(truth, minlength=len(rows)).float()
    generator = torch.Generator().manual_seed(task.seed)

    def start(height: int, width: int) -> torch.Tensor:
        values: torch.Tensor = torch.randn(height, width, generator=generator) / height**0.5
        return values.requires_grad_()

    queries, keys = start(x.shape[1], WIDTH), start(y.shape[1], WIDTH)
    bias = torch.zeros(WIDTH, requires_grad=True)
    optimiser = torch.optim.Adam([queries, keys, bias], lr=_RATE)
    noise = _NOISE * float(np.sqrt(task.strength))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        if task.deadline is not None and time.monotonic() > task.deadline:
            raise errors.DeadlineError("the embedding was not trained in time")
        shaken = x + noise * torch.randn(x.shape, generator=generator)
        cosines = functional.normalize(shaken @ queries + bias) @ functional.normalize(y @ keys).T
        loss = functional.cross_entropy(cosines / TEMPERATURE, truth, weight=1 / counts)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    learned = queries.detach().double().numpy() / spread
    return Towers(
        z.basis[:, order] @ learned,
        bias.detach().double().numpy(),
        keys.detach().double().numpy(),
        unit_queries=True,
        unit_keys=True,
    )
