"""Intermediate images, and the way through them that a fit without target labels takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import USUAL, Modality
from autotransfer.data.target import open_target, open_unlabelled
from autotransfer.errors import InvalidTargetError
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.source import Source, Untrained
from autotransfer.results import Skipped
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.path import LEAST_GAIN, SOURCE, TARGET, Path, shortest_path
from autotransfer.transferability.distances import domain_distance

DISTANCE = "proxy-a-distance"
SEEN = 300  # images of each set that are compared
FEWEST = 20  # images of an intermediate set: with fewer the distance says nothing
MOST_DOMAINS = 8


@dataclass(frozen=True)
class IntermediateDomain:
    """A set of intermediate images.

    Args:
        name: Its name, unique among the intermediate domains.
        images: The images; labelled with classes of the source where labels were given.
        labelled: Whether they have labels.
    """

    name: str
    images: ImageSet
    labelled: bool


@dataclass(frozen=True)
class DomainPath:
    """The intermediate domains to step on, in order, and why they were chosen.

    Args:
        domains: Those on the path; empty where the direct hop is taken.
        sentence: What was measured and decided, in words.
        refused: Why the direct hop is taken; empty where it is not.
    """

    domains: tuple[IntermediateDomain, ...] = ()
    sentence: str = ""
    refused: str = "needs intermediate images; give them with --through PATH"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the intermediate domains, in order."""
        return tuple(domain.name for domain in self.domains)

    @property
    def images(self) -> tuple[ImageSet, ...]:
        """Return the images of the intermediate domains, in order."""
        return tuple(domain.images for domain in self.domains)


def open_intermediate_domains(
    chosen: Options,
    class_names: Sequence[str],
    known: Sequence[ImageSet],
    *,
    modality: Modality = USUAL,
) -> tuple[IntermediateDomain, ...]:
    """Return the intermediate sets that `through` names.

    Args:
        chosen: The options.
        class_names: The classes of the source.
        known: Images of source and target, which are left out.
        modality: What the items are.

    Raises:
        InvalidTargetError: If a set has too few images, or labels of other classes only.
    """
    if len(chosen.through) > MOST_DOMAINS:
        raise InvalidTargetError(
            f"through names {len(chosen.through)} sets; at most {MOST_DOMAINS} are compared"
        )
    ours = {digest for images in known for digest in images.digests}
    domains: dict[str, IntermediateDomain] = {}
    for place in chosen.through:
        domain = _opened(place, chosen, class_names, ours, modality=modality)
        name = domain.name
        while name in (*domains, SOURCE, TARGET):
            name += "'"
        domains[name] = IntermediateDomain(name, domain.images, domain.labelled)
        kind = "labelled" if domain.labelled else "without labels"
        chosen.say(f"intermediate {modality.plural} {name}: {len(domain.images)}, {kind}")
    return tuple(domains.values())


def _opened(
    place: Any, chosen: Options, class_names: Sequence[str], ours: set[str], *, modality: Modality
) -> IntermediateDomain:
    images, named, name, _ = open_unlabelled(
        place, on_bad_image=chosen.on_bad_image, modality=modality
    )
    labelled = bool(named) or (isinstance(place, tuple) and len(place) == 2)
    if labelled:
        images = open_target(
            place, minimum_per_class=1, on_bad_image=chosen.on_bad_image, modality=modality
        ).train
        of_source = np.isin(np.array(images.class_names)[images.labels], class_names)
        if not of_source.any():
            raise InvalidTargetError(
                f"{name}: the intermediate {modality.plural} have the classes "
                f"{', '.join(images.class_names[:5])}, the source {', '.join(class_names[:5])}; "
                f"they share no name. Give {modality.plural} of the same classes"
            )
        images = images.subset(np.flatnonzero(of_source))
    images = images.subset([i for i, digest in enumerate(images.digests) if digest not in ours])
    if len(images) < FEWEST:
        raise InvalidTargetError(
            f"{name}: {len(images)} intermediate {modality}(s) that are neither source nor target "
            f"{modality.plural}; at least {FEWEST} are needed to step on"
        )
    return IntermediateDomain(name, images, labelled)


def choose_domain_path(
    domains: Sequence[IntermediateDomain],
    source_images: ImageSet,
    target_images: ImageSet,
    reader: FeatureReader,
    *,
    seed: int,
) -> DomainPath:
    """Return the way through the intermediate domains, as one common backbone sees all images.

    Args:
        domains: The intermediate sets.
        source_images: Source images that are learned from.
        target_images: Target images that are learned from; no label is read.
        reader: Features of the common backbone.
        seed: Of the images that are compared.
    """
    sets = {SOURCE: source_images, **{s.name: s.images for s in domains}, TARGET: target_images}
    rows = {name: reader(sampled(images, seed)) for name, images in sets.items()}
    distances = {
        frozenset(pair): domain_distance(rows[pair[0]], rows[pair[1]], [DISTANCE])[DISTANCE]
        for pair in combinations(sets, 2)
    }
    path = shortest_path([domain.name for domain in domains], distances)
    if not path.accepted:
        return DomainPath((), _measured(path), _refusal(path))
    by_name = {domain.name: domain for domain in domains}
    return DomainPath(tuple(by_name[name] for name in path.domains), _measured(path), "")


def common_source(sources: Sequence[Source], shortlist: Sequence[str]) -> Source:
    """Return the backbone that compares all sets: the best pretrained one, else the best."""
    ordered = [next(s for s in sources if s.name == name) for name in shortlist]
    return [*pretrained(sources, shortlist), *ordered][0]


def pretrained(sources: Sequence[Source], shortlist: Sequence[str]) -> list[Source]:
    """Return the pretrained sources of a shortlist, best first."""
    ordered = [next(s for s in sources if s.name == name) for name in shortlist]
    return [source for source in ordered if not isinstance(source.weights, Untrained)]


def left_out(domains: Sequence[IntermediateDomain], domain_path: DomainPath) -> list[Skipped]:
    """Return the intermediate sets that are not on the path, with the reason."""
    reason = domain_path.refused or f"not on the path {domain_path.sentence}"
    apart = [domain.name for domain in domains if domain.name not in domain_path.names]
    return [Skipped(f"through {name}", "*", reason) for name in apart]


def _measured(path: Path) -> str:
    return f"{path} (longest hop {path.longest:.2f}, direct {path.direct:.2f})"


def _refusal(path: Path) -> str:
    return (
        f"the direct hop is taken: its proxy A-distance is {path.direct:.2f}, and no way of at "
        f"most three hops has a longest one below {max(path.direct - LEAST_GAIN, 0):.2f} (best: "
        f"{_measured(path)})"
    )


def sampled(images: ImageSet, seed: int) -> ImageSet:
    """Return some images in random order: a distance may read only the first ones of a set."""
    return images.subset(np.random.default_rng(seed).permutation(len(images))[:SEEN])
