"""Two toys of the zero-shot scenario: one where attributes carry over, one where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from autotransfer.data.attributes import Attributes, read_attributes
from autotransfer.models.metrics import metric_named
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.plugin.strategy import Strategy
from autotransfer.scenarios.zero_shot.class_folds import class_folds
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.trials import ZeroShotContext
from autotransfer_attribute_zero_shot import AttributeZeroShot

Array = NDArray[np.float64]

SIDE = 12
PER_CLASS = 20
NUM_FEATURES = 384
COLOURS = {"red": (0.9, 0.2, 0.2), "green": (0.2, 0.8, 0.2), "blue": (0.2, 0.3, 0.9)}
# segments a to g of a seven-segment display, then the number of holes of the written digit
SEGMENTS = {
    0: "1111110 1", 1: "0110000 0", 2: "1101101 0", 3: "1111001 0", 4: "0110011 0",
    5: "1011011 0", 6: "1011111 1", 7: "1110000 0", 8: "1111111 2", 9: "1111011 1",
}  # fmt: skip


@dataclass(frozen=True)
class Toy:
    """Random features of images, and the table of all classes, the seen ones first."""

    features: Array
    labels: list[str]
    table: Attributes

    @property
    def seen(self) -> NDArray[np.bool_]:
        return np.isin(self.labels, self.table.seen)

    def point(self, **params: object) -> Point:
        """Return one point of the arm, on the images of the seen classes."""
        return self.point_of(AttributeZeroShot(), {"random": self.features}, **params)

    def point_of(self, strategy: Strategy, views: Mapping[str, Array], **params: object) -> Point:
        """Return one point of a strategy on the first of some views of all images."""
        labels = [name for name in self.labels if name in self.table.seen]
        matrices = {name: view[self.seen] for name, view in views.items()}
        given = Matrices.of(matrices, labels, self.table.seen)
        items = given.items
        folds = class_folds(items.labels, len(self.table.unseen), seed=0)
        context = ZeroShotContext(
            items,
            folds,
            None,
            MatrixReaders(given),
            metric_named("balanced_accuracy"),
            pool=given.sources,
            table=self.table,
        )
        source = given.sources[0]
        defaults = strategy.space(context.task(source, items).info).defaults()
        return Point(context, source, strategy, {**defaults, **params}, 0)  # type: ignore[dict-item]


def random_features(pictures: Array, seed: int) -> Array:
    """Return rectified random projections of (n, ...) images."""
    rng = np.random.default_rng(seed)
    flat = pictures.reshape(len(pictures), -1)
    flat = (flat - flat.mean(axis=0)) / flat.std()
    found: Array = np.maximum(flat @ rng.normal(size=(flat.shape[1], NUM_FEATURES)) / SIDE, 0.0)
    return found


def shapes_toy(seed: int) -> Toy:
    """Return shape x colour x size x background: 36 classes, 9 of them unseen."""
    rng = np.random.default_rng(seed)
    kinds = list(
        product(("disc", "square", "cross"), COLOURS, ("small", "large"), ("dark", "light"))
    )
    words = ["disc", "square", "cross", *COLOURS, "small", "large", "dark", "light"]
    rows = {" ".join(kind): [float(word in kind) for word in words] for kind in kinds}
    pictures, labels = [], []
    for kind in kinds:
        pictures += [_picture(kind, rng) for _ in range(PER_CLASS)]
        labels += [" ".join(kind)] * PER_CLASS
    names = list(rows)
    unseen = {names[i] for i in rng.permutation(len(names))[:9]}
    table = read_attributes(rows, [name for name in names if name not in unseen])
    return Toy(random_features(np.stack(pictures), seed), labels, table)


def _picture(kind: tuple[str, str, str, str], rng: np.random.Generator) -> Array:
    shape, colour, size, background = kind
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2 - rng.uniform(-1.5, 1.5, (2, 1, 1))
    radius = 2.2 if size == "small" else 4.2
    inside = {
        "disc": x**2 + y**2 <= radius**2,
        "square": np.maximum(abs(x), abs(y)) <= radius * 0.85,
        "cross": (np.minimum(abs(x), abs(y)) <= radius * 0.3)
        & (np.maximum(abs(x), abs(y)) <= radius),
    }[shape]
    ground = 0.15 if background == "dark" else 0.85
    found = np.where(inside[..., None], COLOURS[colour], ground)
    return np.asarray(found + rng.normal(0, 0.15, found.shape))


def digits_toy(seed: int) -> Toy:
    """Return handwritten digits with the segments of a display: 7 seen, 3 unseen."""
    rng = np.random.default_rng(seed)
    images, targets = load_digits(return_X_y=True)
    rows = {str(k): [float(c) for c in bits.replace(" ", "")] for k, bits in SEGMENTS.items()}
    order = rng.permutation(10)
    while len({tuple(rows[str(k)]) for k in order[:3]}) < 3:
        order = rng.permutation(10)
    seen = sorted(str(k) for k in order[3:])
    table = read_attributes(rows, seen)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(targets == k))[:60] for k in range(10)]
    )
    return Toy(random_features(images[chosen], seed), [str(k) for k in targets[chosen]], table)
