"""Opening the problem: a target without labels, and source images with the same classes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_unlabelled
from autotransfer.errors import DataWarning, InvalidTargetError
from autotransfer.models.catalogue import Sources
from autotransfer.models.features import FeatureReaders
from autotransfer.models.small_networks import small_network
from autotransfer.plugin.registry import Registry
from autotransfer.scenarios.inputs import choose_sources, make_readers, open_source_data
from autotransfer.scenarios.options import Options, asked_modality
from autotransfer.scenarios.unlabelled.audit_table import number_or_table
from autotransfer.scenarios.unlabelled.holdout import Part, divide_source, divide_target
from autotransfer.scenarios.unlabelled.intermediate_domains import (
    IntermediateDomain,
    open_intermediate_domains,
)

FEWEST_TARGET = 10
FEW_A_CLASS = 10  # target images for each class: alignment needs about as many


@dataclass(frozen=True)
class UnlabelledProblem:
    """Everything that a fit without target labels starts from.

    Args:
        target: Its images; their labels are hidden, or there are none.
        class_names: The K classes, those of the source images.
        notes: What was decided or left out.
    """

    name: str
    target: Part
    source: Part
    class_names: tuple[str, ...]
    sources: Sources
    readers: FeatureReaders
    notes: tuple[str, ...]
    domains: tuple[IntermediateDomain, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """Return the content hashes of all images that a fit learns from or chooses with."""
        return tuple(sorted({digest for images in self._sets for digest in images.digests}))

    @property
    def fingerprint(self) -> str:
        """Return one hash over all images and the source labels."""
        return "".join(images.fingerprint[:16] for images in self._sets)

    @property
    def _sets(self) -> list[ImageSet]:
        parts = [self.target.learn, self.target.held_out, self.source.learn, self.source.held_out]
        return [*parts, *(domain.images for domain in self.domains)]


def open_problem(target: Any, chosen: Options, registry: Registry) -> UnlabelledProblem:
    """Return the problem, every image checked.

    Raises:
        InvalidTargetError: If there are no source images, too few target images, or both
            name classes and share none.
    """
    if chosen.source_data is None:
        raise InvalidTargetError(
            "the target has no labels, so labelled source images of the same classes are "
            "needed; name them with --source-data PATH, or sort the target into one folder a class"
        )
    if chosen.audit_labels is not None:
        number_or_table(chosen.audit_labels)
    images, named, opened_as, notes = open_unlabelled(
        target, on_bad_image=chosen.on_bad_image, modality=asked_modality(chosen)
    )
    source, told = open_source_data(chosen, images.modality)
    _compare_classes(named, source.class_names)
    source_images = _without_shared(images, source)
    _check_size(images, len(source.class_names))
    for note in (*notes, *told):
        chosen.say(note)
    return UnlabelledProblem(
        opened_as,
        divide_target(images),
        divide_source(source_images),
        source.class_names,
        _with_small_network(chosen, registry, images),
        make_readers(chosen),
        (*notes, *told),
        open_intermediate_domains(
            chosen, source.class_names, [images, source_images], modality=images.modality
        ),
    )


def _with_small_network(chosen: Options, registry: Registry, images: ImageSet) -> Sources:
    """Return the candidates and, unless the user names which to keep, the small network."""
    found = choose_sources(chosen, registry, len(images), images.modality)
    small = small_network(images.modality)
    if small is None or chosen.source or small.name in {source.name for source in found.sources}:
        return found
    return Sources((*found.sources, small), found.skipped, found.default_set)


def _compare_classes(named: tuple[str, ...], of_source: tuple[str, ...]) -> None:
    """Refuse a target whose folders name other classes than the source images have."""
    if not named:
        return
    shared = [name for name in named if name in of_source]
    if not shared:
        raise InvalidTargetError(
            f"the classes that the target names ({', '.join(named[:5])}) and those of the source "
            f"data ({', '.join(of_source[:5])}) share no name; both must have the same classes"
        )
    missing = [name for name in of_source if name not in named]
    other = [name for name in named if name not in of_source]
    if missing or other:
        parts = [
            f"no class {', '.join(missing[:5])}" if missing else "",
            f"further classes {', '.join(other[:5])}" if other else "",
        ]
        warnings.warn(
            f"the target has {' and '.join(part for part in parts if part)}; methods that align "
            "the domains assume the classes of the source data; --class keeps some of them",
            DataWarning,
            stacklevel=5,
        )


def _check_size(images: ImageSet, num_classes: int) -> None:
    if len(images) < FEWEST_TARGET:
        raise InvalidTargetError(
            f"the target has {len(images)} {images.modality}(s); without labels at least "
            f"{FEWEST_TARGET} are needed: add {images.modality.plural}, or label some"
        )
    if len(images) < FEW_A_CLASS * num_classes:
        warnings.warn(
            f"{len(images)} target {images.modality.plural} for {num_classes} classes are few: "
            f"aligning domains "
            f"needs about {FEW_A_CLASS} a class, and the choice among methods is little more than "
            "a guess",
            DataWarning,
            stacklevel=5,
        )


def _without_shared(target: ImageSet, source: ImageSet) -> ImageSet:
    """Return the source images without those that are in the target as well."""
    shared = set(target.digests)
    kept = np.array([digest not in shared for digest in source.digests])
    if kept.all():
        return source
    if not kept.any():
        raise InvalidTargetError(
            f"every source {source.modality} is in the target as well, so nothing is left to "
            f"learn from: name other {source.modality.plural} with --source-data, or fit them as "
            "a target with labels"
        )
    warnings.warn(
        f"{int((~kept).sum())} source {source.modality}(s) are in the target as well, and were "
        "left out",
        DataWarning,
        stacklevel=5,
    )
    return source.subset(np.flatnonzero(kept))
