"""Draws of labelled images, with what 13 small networks say of all others.

Ten networks play the trials of a search, three its baselines. `draws` reads what is recorded, and
records what is not; it may be stopped at any time and goes on where it was.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from autotransfer.data.target import open_target
from autotransfer.models.predictors.pixels import describe

TRIALS, BASELINES, FOLDS, HELD_OUT_ITEMS = 10, 3, 3, 0.3
FEATURES, HIDDEN, STEPS = 64, 64, 60
RUNG_STEPS = (7, 20, 60)
MOST_TRUTH, CHUNK = 12_000, 2000
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """Predictions of the networks of one draw, as shares of 255.

    Args:
        labels: (n,) of the drawn images.
        truth: (p,) labels of the images that are left.
        folds: (n,) fold of each image; -1 for a held-out one.
        rungs: (rungs, models, n, K) by the network that did not learn from the image.
        left: (folds, models, p, K) by the network of each fold, at the last rung.
        whole: (models, p, K) by the network that learnt from all that is not held-out.
        sealed: (models, m, K) by the same, of the held-out items.
    """

    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    folds: NDArray[np.int64]
    rungs: NDArray[np.uint8]
    left: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    sealed: NDArray[np.uint8]


def data_sets(places: Sequence[str]) -> Iterator[tuple[str, Floats, NDArray[np.int64]]]:
    """Yield name, (n, 64) components of the pixels, and labels."""
    digits = load_digits()
    yield "digits", _standardised(digits.data.astype(np.float32)), digits.target.astype(np.int64)
    for place in places:
        opened = open_target(place)
        parts = [opened.train, *(s for s in (opened.validation, opened.held_out) if s is not None)]
        rows = np.concatenate([describe(part, ("raw",))["raw"] for part in parts])
        labels = np.concatenate([part.labels for part in parts])
        yield Path(place).stem, _components(rows), labels


def _components(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred[:3000], full_matrices=False)
    return _standardised(centred @ axes[:FEATURES].T)


def _standardised(rows: Floats) -> Floats:
    scaled: Floats = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-3)
    return scaled


def record(
    x: Floats, y: NDArray[np.int64], labels: int, *, seal: bool, seed: int
) -> dict[str, Any]:
    """Return the fields of a `Draw`: networks trained on each fold and on all that is open."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    ours, left = order[:labels], order[labels : labels + MOST_TRUTH]
    folds = np.full(labels, -1)
    is_open = np.arange(round(labels * HELD_OUT_ITEMS) if seal else 0, labels)
    folds[is_open] = rng.permutation(len(is_open)) % FOLDS
    models, classes = TRIALS + BASELINES, int(y.max()) + 1
    masks = [(folds >= 0) & (folds != fold) for fold in range(FOLDS)] + [folds >= 0]
    weights = np.repeat(np.stack(masks), models, axis=0)  # (4 models, n)
    shown, said = _train(x[ours], x[left], y[ours], weights, classes, seed)
    by_fold = np.stack([shown[:, fold] for fold in range(FOLDS)])
    rungs = by_fold[np.maximum(folds, 0), :, :, np.arange(labels)]  # (n, rungs, models, K)
    return {
        "labels": y[ours],
        "truth": y[left],
        "folds": folds,
        "rungs": rungs.transpose(1, 2, 0, 3),
        "left": said[:FOLDS],
        "whole": said[FOLDS],
        "sealed": shown[-1, FOLDS][:, np.flatnonzero(folds < 0)],
    }


def _train(
    inputs: Floats,
    others: Floats,
    labels: NDArray[np.int64],
    weights: NDArray[np.bool_],
    classes: int,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (rungs, 4, models, n, K) predictions of the inputs, (4, models, p, K) of the others.

    The networks are trained side by side.
    """
    generator = torch.Generator().manual_seed(seed)
    copies = len(weights)
    sizes = [(FEATURES, HIDDEN), (HIDDEN, classes)]
    layers = [
        torch.randn(copies, i, o, generator=generator).mul_((2 / i) ** 0.5) for i, o in sizes
    ]
    biases = [torch.zeros(copies, 1, o) for _, o in sizes]
    parameters = [p.requires_grad_() for p in (*layers, *biases)]
    optimiser = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=1e-2)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels)
    share = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()

    def logits(rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(rows @ layers[0] + biases[0])
        return hidden @ layers[1] + biases[1]

    @torch.no_grad()
    def stored(rows: torch.Tensor) -> NDArray[np.uint8]:
        shares = (logits(rows).softmax(dim=-1) * 255).round().byte().numpy()
        return shares.reshape(FOLDS + 1, -1, *shares.shape[1:])

    shown = []
    for step in range(1, STEPS + 1):
        found = logits(x)  # (copies, n, K)
        losses = cross_entropy(found.flatten(0, 1), y.repeat(copies), reduction="none")
        optimiser.zero_grad()
        torch.autograd.backward((losses.view(copies, -1) * share).sum())
        optimiser.step()
        if step in RUNG_STEPS:
            shown.append(stored(x))
    chunks = [others[start : start + CHUNK] for start in range(0, len(others), CHUNK)]
    said = [stored(torch.from_numpy(chunk)) for chunk in chunks]
    return np.stack(shown), np.concatenate(said, axis=2)


def draws(
    folder: Path,
    name: str,
    x: Floats,
    y: NDArray[np.int64],
    *,
    labels: int,
    replays: int,
    regime: str,
    first: int = 0,
) -> Iterator[Draw]:
    """Yield the draws of a data set; those that are not on disk are recorded.

    Args:
        folder: Where the predictions are.
        name: Name of the data set.
        x: (N, 64) components of the pixels.
        y: (N,) labels.
        labels: How many labelled images a draw has.
        replays: How many draws.
        regime: "open", or "sealed" where some of the items are held out.
        first: Number of the first draw.
    """
    recording = (data_sets, _components, _standardised, record, _train)
    constants = (
        TRIALS,
        BASELINES,
        FOLDS,
        HELD_OUT_ITEMS,
        FEATURES,
        HIDDEN,
        STEPS,
        RUNG_STEPS,
        MOST_TRUTH,
    )
    text = "".join(inspect.getsource(part) for part in recording) + repr(constants)
    code = hashlib.sha256(text.encode()).hexdigest()[:8]
    place = folder / f"{name}-{labels}-{regime}-{code}"
    place.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + replays):
        file = place / f"{seed:05d}.npz"
        if not file.is_file():
            with file.with_suffix(".tmp").open("wb") as stream:
                found = record(x, y, labels, seal=regime == "sealed", seed=seed)
                np.savez(stream, **found)
            file.with_suffix(".tmp").rename(file)
        with np.load(file) as stored:
            yield Draw(**{key: stored[key] for key in stored.files})
