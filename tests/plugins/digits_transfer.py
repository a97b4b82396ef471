"""Five digits to the other five: a natural case of negative transfer, in seconds.

Sources are small fully connected networks: one trained on the other digits, one fitted to random
labels, and the good one with its first two layers multiplied by eight.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from timm.models import register_model
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.target import open_target
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import tiny_readers
from autotransfer.results import ScenarioKind

WIDTH = 64
PREPROCESSING = Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), interpolation="nearest")
KINDS = ("good", "random labels", "mis-scaled")


class DigitsNetwork(nn.Module):
    """64-64-64-K, with the methods of a timm network."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.layer1 = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.fc = nn.Linear(WIDTH, num_classes)
        self.feature_info = [
            {"module": "layer1", "num_chs": WIDTH, "reduction": 1},
            {"module": "layer2", "num_chs": WIDTH, "reduction": 1},
        ]

    def forward_features(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer2(self.layer1(x.mean(dim=1).flatten(1)))
        return found

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:  # noqa: FBT001, FBT002
        return x if pre_logits else self.fc(x)

    def get_classifier(self) -> nn.Module:
        return self.fc

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


if not timm.is_model("digits_network"):

    @register_model  # type: ignore[untyped-decorator]
    def digits_network(pretrained: bool = False, **kwargs: Any) -> DigitsNetwork:  # noqa: FBT001, FBT002
        return DigitsNetwork(kwargs.get("num_classes", 5))


class DigitsTransfer:
    """One random division of the ten digits.

    Args:
        folder: For weights and features.
        seed: Chooses the digits, the images and the weights of the sources.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder / str(seed), seed
        self.folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        pixels, labels = load_digits(return_X_y=True)
        digits = rng.permutation(10)
        order = rng.permutation(len(labels))
        self._pixels = np.round(pixels[order] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
        self._labels = labels[order]
        self._here, self._there = digits[:5], digits[5:]
        self.readers = tiny_readers(self.folder / "cache")

    def task(self, kind: str, per_class: int) -> Task:
        """Return the transfer to five digits from a source of one kind."""
        source = self._source(kind)
        train, _ = self.images(per_class)
        return Task(
            source=source,
            scenario=ScenarioKind.LABELLED,
            class_names=train.class_names,
            train=train,
            features=self.readers[source],
            device=torch.device("cpu"),
            load_backbone=lambda: self.readers.load(source),
        )

    def images(self, per_class: int) -> tuple[ImageSet, ImageSet]:
        """Return the training and the test images of the target."""
        chosen = [np.flatnonzero(self._labels == digit) for digit in self._here]
        train = np.concatenate([own[:per_class] for own in chosen])
        test = np.concatenate([own[60:160] for own in chosen])
        return self._set(train), self._set(test)

    def _set(self, positions: NDArray[np.int64]) -> ImageSet:
        pixels = np.repeat(self._pixels[positions][..., None], 3, axis=3)
        return open_target((pixels, [str(d) for d in self._labels[positions]])).train

    def _source(self, kind: str) -> Source:
        file = self.folder / f"{kind}.safetensors"
        sha256 = write_state_dict(file, self._trained(kind).state_dict())
        return Source(kind, "digits_network", LocalWeights(file, sha256), PREPROCESSING)

    def _trained(self, kind: str) -> DigitsNetwork:
        positions = np.flatnonzero(np.isin(self._labels, self._there))[:400]
        labels = np.searchsorted(np.sort(self._there), self._labels[positions])
        if kind == "random labels":
            labels = np.random.default_rng(self.seed).integers(5, size=len(labels))
        x = torch.from_numpy(self._pixels[positions] / np.float32(255))[:, None].float()
        y = torch.from_numpy(labels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = DigitsNetwork()
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
        for _ in range(600 if kind == "random labels" else 100):
            loss = nn.functional.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if kind == "mis-scaled":
            with torch.no_grad():
                for layer in (network.layer1, network.layer2):
                    for parameter in layer.parameters():
                        parameter.mul_(8.0)
        return network
