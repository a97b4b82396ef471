"""LP-FT in plain torch, a peer of the scoreboard: `python peer_lp_ft.py ORDER ANSWER`.

Linear probing, then fine-tuning (Kumar et al., ICLR 2022): logistic regression on the pooled
features, its penalty by cross-validation, becomes the head; then every weight learns with AdamW,
a cosine schedule and flips, batch statistics as they were pretrained. ORDER is a JSON file that
`against_peers.py` writes, ANSWER the JSON file that it reads. Imports nothing of the package.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegressionCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-2
PENALTIES = 10.0 ** np.arange(-4, 3)
BATCH = 16
FOLDS = 5


def main() -> None:
    """Train, predict, and write the classes."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    torch.manual_seed(order["seed"])
    images = _pixels(order["images"], order["network"])
    tested = _pixels(order["tested"], order["network"])
    labels = np.array(order["labels"])
    network = network_of(order["network"])
    head = _linear_probe(_features(network, images), labels, order["seed"])
    model = nn.Sequential(network, head)
    rate = order.get("learning_rate", LEARNING_RATE)
    _tune(model, images, torch.from_numpy(labels), order["epochs"], rate)
    predicted = _features(model, tested).argmax(axis=1).tolist()
    Path(sys.argv[2]).write_text(json.dumps({"predicted": predicted}), encoding="utf-8")


def network_of(described: dict[str, Any]) -> nn.Module:
    """Return the pretrained network, without its head."""
    network = timm.create_model(described["architecture"], **described["kwargs"])
    weights = {name: tensor.float() for name, tensor in load_file(described["weights"]).items()}
    network.load_state_dict(weights)
    network.reset_classifier(0)
    without_head: nn.Module = network.eval()
    return without_head


def _pixels(paths: list[str], described: dict[str, Any]) -> Tensor:
    """Return (n, 3, s, s) standardised images: resized, then the middle of them."""
    side = described["input_size"]
    shorter = math.floor(side / described["crop_pct"])
    found = []
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = shorter / min(image.size)
        width, height = (max(side, round(length * scale)) for length in image.size)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        found.append(np.asarray(image.crop((left, top, left + side, top + side))))
    pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(described[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    return (pixels - mean) / std


@torch.no_grad()
def _features(model: nn.Module, images: Tensor) -> NDArray[np.float32]:
    model.eval()
    found: NDArray[np.float32] = torch.cat(
        [model(batch) for batch in torch.split(images, 64)]
    ).numpy()
    return found


def _linear_probe(
    features: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> nn.Linear:
    """Return the head that logistic regression on standardised features finds."""
    scaler = StandardScaler().fit(features)
    folds = min(FOLDS, int(np.bincount(labels).min()))
    probe = LogisticRegressionCV(
        Cs=PENALTIES, cv=folds, scoring="neg_log_loss", max_iter=300, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe.fit(scaler.transform(features), labels)
    weight, bias = probe.coef_, probe.intercept_
    if len(weight) == 1:  # two classes: one score
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scaler.scale_
    head = nn.Linear(features.shape[1], len(bias))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias - weight @ scaler.mean_))
    return head


def _tune(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, rate: float) -> None:
    steps = epochs * math.ceil(len(images) / BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(images)), BATCH):
            batch = images[chosen]
            flipped = torch.rand(len(batch)) < 0.5
            batch = torch.where(flipped.view(-1, 1, 1, 1), batch.flip(3), batch)
            loss = nn.functional.cross_entropy(model(batch), labels[chosen])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()


if __name__ == "__main__":
    main()
