"""What can be done with items of a kind: how they are varied, mixed, and learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autotransfer.plugin import Source, heads, sources

CONSERVATION = ("none", "l2-sp", "distillation", "delta", "rkd", "co-tuning")


@dataclass(frozen=True)
class Terms:
    """What a kind of items allows.

    Args:
        augmentations: Ways to vary an item; of images and sounds each contains those before it.
        weak: What `View` takes for an item that is changed a little, for pseudo-labels.
        strong: The same for one that is changed much.
        conservation: Ways to keep what the source knows.
        mixup: Whether two items may be mixed.
        learning_rates: Of the tuned layers at multiplier 1, by optimiser.
        probe: Fits the head that training starts from to (n, d) features, (n,) classes and K.
    """

    augmentations: tuple[str, ...]
    weak: str
    strong: str
    conservation: tuple[str, ...]
    mixup: tuple[bool, ...]
    learning_rates: Mapping[str, float]
    probe: Callable[..., heads.LinearHead]


_IMAGES = Terms(
    augmentations=("none", "flip", "crop", "colour"),
    weak="shift",
    strong="strong",
    conservation=CONSERVATION,
    mixup=(False, True),
    learning_rates={"adamw": 3e-4, "sgd": 1e-2},
    probe=heads.fit_ridge,
)
# Tokens cannot be mixed, nor hidden states of texts of other lengths, and no encoder has a
# classifier of its own, whose answers distillation and Co-Tuning would keep.
_TEXTS = Terms(
    augmentations=("none", "words"),
    weak="words",
    strong="few words",
    conservation=("none", "l2-sp", "delta", "rkd"),
    mixup=(False,),
    learning_rates={"adamw": 1e-4, "sgd": 1e-2},
    probe=heads.fit_logistic,
)
# Sounds of other lengths cannot be mixed either, and of no network is a classifier read.
_SOUNDS = Terms(
    augmentations=("none", "gain", "crop", "masks"),
    weak="gain",
    strong="masks",
    conservation=("none", "l2-sp", "delta", "rkd"),
    mixup=(False,),
    learning_rates={"adamw": 1e-4, "sgd": 1e-2},
    probe=heads.fit_logistic,
)
_OF = {
    sources.Modality.IMAGE: _IMAGES,
    sources.Modality.TEXT: _TEXTS,
    sources.Modality.SOUND: _SOUNDS,
}
READ = frozenset(_OF)


def terms_of(source: Source) -> Terms:
    """Return what the items of a source allow; of a kind that is not read, what images do."""
    return _OF.get(source.modality, _IMAGES)
