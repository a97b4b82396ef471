"""What the scoreboard plays on: six sets of images, their draws, and the sources.

The splits of an archive are merged, an image that is there twice counts once. Images are in the
order of their content, so names and folders change nothing. A set of more than 1500 images is
thinned out to 1500, the classes alike. A draw orders the images of each class at random: the
first of each are the labelled ones, so that 5 a class are among the 20 a class, and what comes
after the 20 is tested, for both sizes the same, up to 400, the classes alike. A class of c
images lends at most the larger of c - 10 and c / 2.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover

MOST_IMAGES, MOST_TESTED, LEAST_LEFT = 1500, 400, 10
SHOTS = (5, 20)  # labelled images a class
PIXEL_BYTES = 1 << 30


@dataclass(frozen=True)
class TargetSet:
    """A set of the kit.

    Args:
        name: Name of the archive, without its ending.
        shots: Labelled images a class.
        left_out: Sources that learnt from these images, by what they were trained on.
    """

    name: str
    shots: tuple[int, ...] = SHOTS
    left_out: str = ""


SETS = (
    TargetSet("flowers5"),
    TargetSet("eurosat"),
    TargetSet("hymenoptera"),
    TargetSet("caltech30"),
    TargetSet("grocery", shots=(5,)),
    TargetSet("cifar10", left_out="CIFAR-10"),
)


@dataclass(frozen=True)
class Draw:
    """One draw of labelled images.

    Args:
        labelled: (n,) places of the labelled images in the set.
        tested: (m,) places of those that judge.
    """

    labelled: NDArray[np.int64]
    tested: NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """One draw of one cell.

    Args:
        target: The set.
        images: Its images.
        shots: Labelled images a class.
        number: Which draw.
        drawn: The draw.
    """

    target: TargetSet
    images: ImageSet
    shots: int
    number: int
    drawn: Draw

    @property
    def title(self) -> str:
        """Return "eurosat, 5 a class, draw 0"."""
        return f"{self.target.name}, {self.shots} a class, draw {self.number}"


def standard_kit() -> Path:
    """Return the folder of images and networks: AUTOTRANSFER_KIT, or beside the repository."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "kit"
    return Path(os.environ.get("AUTOTRANSFER_KIT") or beside)


def standard_work() -> Path:
    """Return the folder of unpacked images, features and records."""
    return Path(platformdirs.user_cache_dir("autotransfer-scoreboard"))


def numbers(text: str) -> range:
    """Return the draws that are written as "3" or "0-2"."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def open_set(target: TargetSet, kit: Path, work: Path) -> ImageSet:
    """Return the images of a set, unpacked below `work` at the first call."""
    folder = work / "images" / target.name
    if not folder.is_dir():
        _unpack(kit / "data" / f"{target.name}.zip", folder)
    everything = open_target(str(folder)).train
    _, first = np.unique(np.array(everything.digests), return_index=True)  # sorted by content
    pictures = everything.subset(first)
    thinned = _alike(pictures.labels, MOST_IMAGES, _generator(target, 0))
    return pictures.subset(np.sort(thinned))


def _unpack(archive: Path, folder: Path) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.is_dir() or len(parts) != 3:
                continue
            split, label, name = parts
            (temporary / label).mkdir(parents=True, exist_ok=True)
            (temporary / label / f"{split}-{name}").write_bytes(opened.read(member))
    temporary.rename(folder)


def draw(target: TargetSet, labels: NDArray[np.int64], shots: int, number: int) -> Draw:
    """Return a draw of a set with (n,) labels.

    Args:
        target: The set.
        labels: (n,) classes of its images.
        shots: Labelled images a class.
        number: Which draw.
    """
    generator = _generator(target, number + 1)
    labelled, left = [], []
    for label in range(int(labels.max()) + 1):
        members = generator.permutation(np.flatnonzero(labels == label))
        lent = max(len(members) - LEAST_LEFT, len(members) // 2)
        labelled.append(members[: min(shots, lent)])
        left.append(members[min(max(target.shots), lent) :])
    rest = np.concatenate(left)
    tested = rest[_alike(labels[rest], MOST_TESTED, generator)]
    return Draw(np.sort(np.concatenate(labelled)), np.sort(tested))


def _alike(
    labels: NDArray[np.int64], most: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return at most so many of (n,) places, as many of each class as there are."""
    order = generator.permutation(len(labels))
    turns = np.zeros(len(labels), dtype=np.int64)  # which one of its class
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turns[members] = np.arange(len(members))
    return order[np.argsort(turns[order], kind="stable")][:most]


def _generator(target: TargetSet, number: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(target.name.encode()), number])


def sources_of(target: TargetSet, kit: Path) -> tuple[Source, ...]:
    """Return the sources of a set, the default one first."""
    discover(files=[plugin_of(kit)])
    found = resolve_sources(str(catalogue_of(kit))).sources
    return tuple(s for s in found if not target.left_out or s.pretrained_on != target.left_out)


def catalogue_of(kit: Path) -> Path:
    """Return the catalogue."""
    return kit / "weights" / "catalogue.toml"


def plugin_of(kit: Path) -> Path:
    """Return the file that registers the architectures of the catalogue."""
    return kit / "weights" / "timm_extra.py"


def readers_in(work: Path) -> FeatureReaders:
    """Return readers that keep their features below `work`."""
    torch.set_num_threads(1)
    return FeatureReaders(
        FeatureStore(work), PixelStore(PIXEL_BYTES), load_backbone, torch.device("cpu")
    )


def fill(
    target: TargetSet, pictures: ImageSet, numbers: range, kit: Path, readers: FeatureReaders
) -> Iterator[tuple[str, int, float]]:
    """Compute the features that draws of a set need; yield source, new images and seconds."""
    draws = [draw(target, pictures.labels, k, i) for k in target.shots for i in numbers]
    needed = np.unique(np.concatenate([np.concatenate([d.labelled, d.tested]) for d in draws]))
    for source in sources_of(target, kit):
        reader = readers[source]
        before = reader.passed, reader.seconds
        reader(pictures.subset(needed))
        readers.release()
        yield source.name, reader.passed - before[0], reader.seconds - before[1]
