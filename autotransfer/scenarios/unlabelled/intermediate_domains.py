"""Intermediate pictures, and the way through them that a fit without target labels takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target, open_unlabelled
from autotransfer.errors import InvalidTargetError
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.source import Source, Untrained
from autotransfer.results import Skipped
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.path import LEAST_GAIN, SOURCE, TARGET, Path, shortest_path
from autotransfer.transferability.distances import domain_distance

DISTANCE = "proxy-a-distance"
SEEN = 300  # pictures of each set that are compared
FEWEST = 20  # pictures of an intermediate set: with fewer the distance says nothing
MOST_STONES = 8


@dataclass(frozen=True)
class Stone:
    """A set of intermediate pictures.

    Args:
        name: Its name, unique among the stones.
        images: The pictures; labelled with classes of the source where labels were given.
        labelled: Whether they have labels.
    """

    name: str
    images: ImageSet
    labelled: bool


@dataclass(frozen=True)
class Route:
    """The stones to step on, in order, and why they were chosen.

    Args:
        stones: Those on the path; empty where the direct hop is taken.
        sentence: What was measured and decided, in words.
        refused: Why the direct hop is taken; empty where it is not.
    """

    stones: tuple[Stone, ...] = ()
    sentence: str = ""
    refused: str = "needs intermediate pictures; give them with --through PATH"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the stones, in order."""
        return tuple(stone.name for stone in self.stones)

    @property
    def images(self) -> tuple[ImageSet, ...]:
        """Return the pictures of the stones, in order."""
        return tuple(stone.images for stone in self.stones)


def open_stones(
    chosen: Options, class_names: Sequence[str], known: Sequence[ImageSet]
) -> tuple[Stone, ...]:
    """Return the intermediate sets that `through` names.

    Args:
        chosen: The options.
        class_names: The classes of the source.
        known: Pictures of source and target, which are left out.

    Raises:
        InvalidTargetError: If a set has too few pictures, or labels of other classes only.
    """
    if len(chosen.through) > MOST_STONES:
        raise InvalidTargetError(
            f"through names {len(chosen.through)} sets; at most {MOST_STONES} are compared"
        )
    ours = {digest for images in known for digest in images.digests}
    stones: dict[str, Stone] = {}
    for place in chosen.through:
        stone = _opened(place, chosen, class_names, ours)
        name = stone.name
        while name in (*stones, SOURCE, TARGET):
            name += "'"
        stones[name] = Stone(name, stone.images, stone.labelled)
        kind = "labelled" if stone.labelled else "without labels"
        chosen.say(f"intermediate pictures {name}: {len(stone.images)}, {kind}")
    return tuple(stones.values())


def _opened(place: Any, chosen: Options, class_names: Sequence[str], ours: set[str]) -> Stone:
    images, named, name, _ = open_unlabelled(place, on_bad_image=chosen.on_bad_image)
    labelled = bool(named) or (isinstance(place, tuple) and len(place) == 2)
    if labelled:
        images = open_target(place, minimum_per_class=1, on_bad_image=chosen.on_bad_image).train
        of_source = np.isin(np.array(images.class_names)[images.labels], class_names)
        if not of_source.any():
            raise InvalidTargetError(
                f"{name}: the intermediate pictures have the classes "
                f"{', '.join(images.class_names[:5])}, the source {', '.join(class_names[:5])}; "
                "they share no name. Give pictures of the same classes"
            )
        images = images.subset(np.flatnonzero(of_source))
    images = images.subset([i for i, digest in enumerate(images.digests) if digest not in ours])
    if len(images) < FEWEST:
        raise InvalidTargetError(
            f"{name}: {len(images)} intermediate picture(s) that are neither source nor target "
            f"pictures; at least {FEWEST} are needed to step on"
        )
    return Stone(name, images, labelled)


def choose_route(
    stones: Sequence[Stone],
    source_images: ImageSet,
    target_images: ImageSet,
    reader: FeatureReader,
    *,
    seed: int,
) -> Route:
    """Return the way through the stones, as one common backbone sees all pictures.

    Args:
        stones: The intermediate sets.
        source_images: Source pictures that are learned from.
        target_images: Target pictures that are learned from; no label is read.
        reader: Features of the common backbone.
        seed: Of the pictures that are compared.
    """
    sets = {SOURCE: source_images, **{s.name: s.images for s in stones}, TARGET: target_images}
    rows = {name: reader(_sampled(images, seed)) for name, images in sets.items()}
    distances = {
        frozenset(pair): domain_distance(rows[pair[0]], rows[pair[1]], [DISTANCE])[DISTANCE]
        for pair in combinations(sets, 2)
    }
    path = shortest_path([stone.name for stone in stones], distances)
    if not path.accepted:
        return Route((), _measured(path), _refusal(path))
    by_name = {stone.name: stone for stone in stones}
    return Route(tuple(by_name[name] for name in path.stones), _measured(path), "")


def common_source(sources: Sequence[Source], shortlist: Sequence[str]) -> Source:
    """Return the backbone that compares all sets: the best pretrained one, else the best."""
    ordered = [next(s for s in sources if s.name == name) for name in shortlist]
    trained = [source for source in ordered if not isinstance(source.weights, Untrained)]
    return [*trained, *ordered][0]


def left_out(stones: Sequence[Stone], route: Route) -> list[Skipped]:
    """Return the intermediate sets that are not on the path, with the reason."""
    return [
        Skipped(f"through {stone.name}", "*", route.refused or f"not on the path {route.sentence}")
        for stone in stones
        if stone.name not in route.names
    ]


def _measured(path: Path) -> str:
    return f"{path} (longest hop {path.longest:.2f}, direct {path.direct:.2f})"


def _refusal(path: Path) -> str:
    return (
        f"the direct hop is taken: its proxy A-distance is {path.direct:.2f}, and no way of at "
        f"most three hops has a longest one below {max(path.direct - LEAST_GAIN, 0):.2f} (best: "
        f"{_measured(path)})"
    )


def _sampled(images: ImageSet, seed: int) -> ImageSet:
    """Return some pictures in random order: a distance may read only the first ones of a set."""
    return images.subset(np.random.default_rng(seed).permutation(len(images))[:SEEN])
