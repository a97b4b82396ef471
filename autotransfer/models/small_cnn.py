"""A small convolutional network for digits and other little images, known to timm by name.

It has no pretrained weights: as a source it is an architecture that learns from the source
images alone.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.models.source import Source, Untrained

SMALL_NETWORK = "small_cnn"
SIDE = 28  # pixels: 28 -> 12 -> 4 through two 5 x 5 convolutions with pooling
CHANNELS = (32, 64)
NUM_FEATURES = 128


class SmallNetwork(nn.Module):
    """Two convolutions and one dense layer, each with batch norm, in the manner of LeNet.

    Args:
        num_classes: Z; 0 leaves out the classifier.
        in_chans: Channels of the images.
    """

    def __init__(self, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        first, second = CHANNELS
        self.num_classes = num_classes
        self.num_features = NUM_FEATURES
        self.block1 = _block(in_chans, first)
        self.block2 = _block(first, second)
        self.dense = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * second, NUM_FEATURES, bias=False),
            nn.BatchNorm1d(NUM_FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(NUM_FEATURES, num_classes) if num_classes else nn.Identity()
        self.feature_info = [
            {"num_chs": first, "reduction": 2, "module": "block1"},
            {"num_chs": second, "reduction": 4, "module": "block2"},
            {"num_chs": NUM_FEATURES, "reduction": SIDE, "module": "dense"},
        ]

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the (b, d) features of standardised images."""
        features: Tensor = self.dense(self.block2(self.block1(x)))
        return features

    def forward_head(self, x: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Return the (b, Z) logits of features, or the features themselves."""
        return x if pre_logits else self.head(x)

    def get_classifier(self) -> nn.Module:
        """Return the classifier."""
        return self.head

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, Z) logits."""
        return self.forward_head(self.forward_features(x))


def small_source(seed: int = 0) -> Source:
    """Return the untrained small network as a source."""
    preprocessing = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), crop_pct=1.0)
    return Source(
        SMALL_NETWORK,
        SMALL_NETWORK,
        Untrained(seed),
        preprocessing,
        {"num_classes": 0},
        pretrained_on="nothing",
        license="Apache-2.0",
        origin="autotransfer",
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 5, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def small_cnn(pretrained: bool = False, **kwargs: Any) -> SmallNetwork:  # noqa: FBT001, FBT002
    """Return the network; timm's own arguments that mean nothing here are left out."""
    if pretrained:
        raise ValueError("small_cnn has no pretrained weights")
    known = {key: kwargs[key] for key in ("num_classes", "in_chans") if key in kwargs}
    return SmallNetwork(**known)
