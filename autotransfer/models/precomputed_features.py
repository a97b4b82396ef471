"""Feature matrices instead of images: sources that are known by what they say of each item.

Text, sound or tables: whoever has the features of n items by several sources can rank, probe and
guard as with images. A matrix stands for a source with one stage; nothing can be trained below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.arrays import check_unpacked
from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.images.views import PLAIN, View
from autotransfer.data.labels import class_names_of, flat_labels
from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import InvalidSourceError, InvalidTargetError, UndefinedScoreError
from autotransfer.models.architecture import GIVEN_FEATURES
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source, Untrained
from autotransfer.models.statistics.input_checks import as_array

_TEST = "_test"


@dataclass(frozen=True)
class Matrices:
    """The (n, d) features of the same n items by several sources.

    Args:
        by_source: Features by the name of the source.
        labels: (n,) labels of any kind; None without.
        class_names: The K classes in order; empty without labels.
    """

    by_source: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        features: Mapping[str, ArrayLike],
        y: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Matrices:
        """Return checked matrices.

        Raises:
            InvalidTargetError: If a matrix is not one of finite numbers, they have different
                numbers of rows, or the labels do not fit.
        """
        if not isinstance(features, Mapping):
            raise InvalidTargetError(
                "feature matrices must be given by the name of their source, as in "
                f"{{'name': matrix}}, got a {type(features).__name__}"
            )
        if not features:
            raise InvalidTargetError("there are no feature matrices; give one for each source")
        matrices = {str(name): _matrix(str(name), x) for name, x in features.items()}
        sizes = {name: len(x) for name, x in matrices.items()}
        if len(set(sizes.values())) > 1:
            raise InvalidTargetError(
                "the matrices must have a row for each of the same items; they have "
                + ", ".join(f"{name!r} {size}" for name, size in sizes.items())
            )
        n = next(iter(sizes.values()))
        if y is None:
            return cls(matrices)  # to predict
        values = flat_labels(as_array(y, "labels"), n)
        names = tuple(class_names or class_names_of(values))
        number = {name: i for i, name in enumerate(names)}
        unknown = sorted({str(v) for v in values.tolist()} - set(names))
        if unknown:
            raise InvalidTargetError(
                f"the class {unknown[0]!r} is not among those to learn from: {', '.join(names)}"
            )
        labels = np.array([number[str(v)] for v in values.tolist()], dtype=np.int64)
        return cls(matrices, labels, names)

    @property
    def items(self) -> ImageSet:
        """Return the items as a set that has everything but pixels."""
        rows = [np.ascontiguousarray(x) for x in self.by_source.values()]
        count = len(rows[0])
        digests = [
            hashlib.sha256(b"".join(x[i].tobytes() for x in rows)).hexdigest()
            for i in range(count)
        ]
        reader = _RowNames(tuple(str(i) for i in range(count)), tuple(digests))
        return ImageSet(reader, np.arange(count), self.labels, self.class_names)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return a source for each matrix."""
        return tuple(
            Source(
                name,
                GIVEN_FEATURES,
                Untrained(),
                Preprocessing(input_size=1),
                {"name": name, "width": x.shape[1]},
                pretrained_on="unknown (features were given)",
            )
            for name, x in self.by_source.items()
        )


def read_matrices(path: str | Path) -> tuple[Matrices, Matrices | None] | None:
    """Return the matrices of an `.npz` file, and those of the test items if it has some.

    Such a file has labels `y` (or `y_train`) and an (n, d) matrix under the name of each source;
    for test items `y_test` and `NAME_test`. A file with images (`x` or `x_train`), without
    labels, or of any other kind is None.

    Raises:
        InvalidTargetError: If the matrices cannot be used.
    """
    if not str(path).lower().endswith(".npz") or not Path(path).is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if any(name.lower() == "x" or name.lower().startswith("x_") for name in names):
                return None  # images, which are read elsewhere
            check_unpacked(archive, str(path))
            arrays = {name: archive[name] for name in names}
    except InvalidTargetError:
        raise
    except Exception:  # noqa: BLE001 - no matrices; opened as images it is told what is wrong
        return None
    labels = arrays.pop("y", arrays.pop("y_train", None))
    test_labels = arrays.pop(f"y{_TEST}", None)
    train = {key: x for key, x in arrays.items() if not key.endswith(_TEST)}
    if not train or any(x.ndim != 2 for x in train.values()):
        return None
    found = Matrices.of(train, labels)
    if test_labels is None:
        return found, None
    test = {key: arrays[key + _TEST] for key in train if key + _TEST in arrays}
    missing = sorted(set(train) - set(test))
    if missing:
        raise InvalidTargetError(f"{path}: there is 'y_test' but no matrix {missing[0] + _TEST!r}")
    return found, Matrices.of(test, test_labels, found.class_names)


class MatrixReaders(FeatureReaders):
    """Reads rows of matrices where other readers run a network."""

    def __init__(self, *parts: Matrices) -> None:
        super().__init__(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
        self._rows: dict[str, dict[str, NDArray[np.float32]]] = {}
        for part in parts:
            digests = part.items.digests
            for name, x in part.by_source.items():
                self._rows.setdefault(name, {}).update(zip(digests, x, strict=True))

    @override
    def __getitem__(self, source: Source) -> Any:
        """Return the reader of one source."""
        if source.name not in self._rows:
            raise InvalidSourceError(
                f"there is no feature matrix named {source.name!r}; there are "
                f"{', '.join(self._rows)}"
            )
        return MatrixFeatures(source, self._rows[source.name], self)


class MatrixFeatures:
    """The rows of one matrix behind the face of `Features`."""

    num_stages = 1
    seconds = 0.0
    pace: float | None = 0.0

    def __init__(
        self, source: Source, rows: Mapping[str, NDArray[np.float32]], readers: MatrixReaders
    ) -> None:
        self.source = source
        self.device = torch.device("cpu")
        self._rows = rows
        self.of = readers.__getitem__
        width = len(next(iter(rows.values())))
        self.layout = RowLayout((width,), 0, 4e-6 * width * len(rows))

    def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float32]:
        """Return the (n, d) rows of the items."""
        if stage not in (None, 1):
            raise ValueError(f"a feature matrix has one stage, got {stage}")
        return np.stack([self._rows[digest] for digest in images.digests])

    def unload(self) -> None:
        """Keep everything: rows are all there is."""

    def missing(self, _images: ImageSet) -> int:
        """Return 0: nothing has to be computed."""
        return 0

    def release(self) -> None:
        """Keep everything: rows are all there is."""

    def probabilities(self, _images: ImageSet) -> NDArray[np.float32]:
        """Refuse: a matrix has no classifier."""
        raise UndefinedScoreError(f"{self.source.name} is a feature matrix and has no classifier")

    def inputs(self, _images: ImageSet, _stage: int, *, view: View = PLAIN) -> Any:
        """Refuse: a matrix has no layers."""
        raise UndefinedScoreError(
            f"{self.source.name} is a feature matrix; no layer of it can be trained ({view.kind})"
        )


@dataclass(frozen=True)
class _RowNames:
    """Items that have names and hashes, and no pixels."""

    names: tuple[str, ...]
    digests: tuple[str, ...]

    def read(self, index: int, _min_side: int | None = None) -> Image.Image:
        """Refuse."""
        raise InvalidTargetError(f"item {index} is a row of features; it has no pixels")


def _matrix(name: str, x: ArrayLike) -> NDArray[np.float32]:
    array = as_array(x, f"the features {name!r}")
    if array.dtype.kind in "cmMV":
        raise InvalidTargetError(f"the features {name!r} are not real numbers ({array.dtype})")
    with (
        refused_as(InvalidTargetError, f"the features {name!r} are not numbers"),
        np.errstate(over="ignore"),  # told below as infinite
    ):
        matrix: NDArray[np.float32] = array.astype(np.float32)
    if matrix.ndim != 2 or not matrix.size:
        raise InvalidTargetError(
            f"the features {name!r} have the shape {matrix.shape}; they must be (items, features)"
        )
    if not np.isfinite(matrix).all():
        raise InvalidTargetError(f"the features {name!r} hold infinite values or NaN")
    return matrix
