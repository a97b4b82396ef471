"""Before a fit: plugins, preset, target, sources, and who is held out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autotransfer.data.attributes import Attributes
from autotransfer.data.domains import domain_names, domain_notes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.kept_classes import with_classes
from autotransfer.data.label_files import read_labels, with_labels
from autotransfer.data.modality import USUAL, Modality, refuse_other
from autotransfer.data.target import Target, open_target, open_unlabelled
from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import Sources, resolve_sources, told_left_out
from autotransfer.models.catalogue.default_sets import default_name
from autotransfer.models.catalogue.descriptions import describe_default_set
from autotransfer.models.catalogue.licences import told_licences
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.models.predictors.baselines import GIVEN, MAJORITY, OF_IMAGES, baselines_of
from autotransfer.models.source import Source, Untrained
from autotransfer.plugin.presets import Preset, read_preset
from autotransfer.plugin.registry import Registry, discover
from autotransfer.plugin.strategy import TaskInfo, space_of
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.options import Options, asked_modality, device_of, memory_of
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.tracking.named_sources import named_sources


@dataclass(frozen=True)
class Problem:
    """Everything that a fit starts from.

    Args:
        source_images: Labelled source images, where they were given.
        unlabelled: Further target images without labels, where they were given.
        readable: Whether the items are there; features alone have no layers to train.
        baseline_source: The features that use no source, for the baseline of that kind.
        attributes: Rows of the classes with and without images; in the zero-shot scenario.
    """

    target: Target
    sources: Sources
    readers: FeatureReaders
    source_images: ImageSet | None = None
    unlabelled: ImageSet | None = None
    readable: bool = True
    baselines: tuple[str, ...] = OF_IMAGES
    baseline_source: Source | None = None
    attributes: Attributes | None = None

    @property
    def scenario(self) -> ScenarioKind:
        """Return what is known about the target."""
        return ScenarioKind.LABELLED if self.attributes is None else ScenarioKind.ZERO_SHOT


def problem_of_items(target: Any, chosen: Options, registry: Registry) -> Problem:
    """Return the problem of a target of images or texts."""
    more = open_more(chosen)
    opened, more = open_with_labels(target, more, chosen)
    modality = opened.train.modality
    if more is not None:
        refuse_other(more, modality)
    source_images = open_source_images(chosen, modality)
    sources = choose_sources(chosen, registry, len(opened.train), modality)
    return Problem(
        opened,
        sources,
        make_readers(chosen),
        source_images,
        more,
        baselines=baselines_of(modality),
    )


def problem_of_matrices(
    train: Matrices, held_out: Matrices | None, baseline: str | None, chosen: Options
) -> Problem:
    """Return the problem of features that were given.

    Raises:
        InvalidOptionError: If the baseline is none of the matrices, or nothing else is there.
        InvalidTargetError: If there is one class.
    """
    if len(train.class_names) < 2:
        raise InvalidTargetError(
            f"there is one class ({', '.join(train.class_names)}); at least two are needed"
        )
    names = [source.name for source in train.sources]
    if baseline is not None and (baseline not in names or len(names) < 2):
        raise InvalidOptionError(
            f"baseline {baseline!r} must be one of the matrices, beside at least one source: "
            f"{', '.join(names)}"
        )
    candidates = tuple(
        source
        for source in train.sources
        if source.name != baseline and (not chosen.source or source.name in chosen.source)
    )
    if not candidates:
        raise InvalidOptionError(
            f"none of the sources {', '.join(chosen.source)} is among the matrices: "
            f"{', '.join(names)}"
        )
    given = next((source for source in train.sources if source.name == baseline), None)
    target = _target_of_matrices(train, held_out, chosen)
    parts = [train] if held_out is None else [train, held_out]
    return Problem(
        target,
        Sources(candidates, ()),
        MatrixReaders(*parts),
        readable=False,
        baselines=(MAJORITY,) if given is None else (MAJORITY, GIVEN),
        baseline_source=given,
    )


def _target_of_matrices(train: Matrices, held_out: Matrices | None, chosen: Options) -> Target:
    items = train.items
    tested = None if held_out is None else held_out.items
    target = Target("features", items, None, tested, train.class_names)
    if chosen.domains is None:
        return target
    if held_out is not None:
        raise InvalidOptionError(
            "test cannot be given beside domains: each domain tests once; leave one of the two out"
        )
    names = domain_names(chosen.domains, len(items))
    return replace(target, groups=names, by_domain=True, notes=domain_notes(items, names))


def discover_plugins(chosen: Options) -> Registry:
    """Return what is installed, with the plugin files that the user names."""
    return discover(files=[Path(plugin) for plugin in chosen.plugins])


def choose_preset(chosen: Options, registry: Registry) -> Preset:
    """Return the preset, checked against every installed strategy."""
    for name in chosen.strategies:
        registry.strategy(name)
    preset = read_preset(registry.preset(chosen.space))
    anything = Source("any", "any", Untrained(), Preprocessing(input_size=32))
    info = TaskInfo(anything, ScenarioKind.LABELLED, num_images=100, num_classes=2)
    preset.check({name: space_of(s, info) for name, s in registry.strategies.items()})
    return preset


def open_labelled(target: Any, chosen: Options) -> Target:
    """Return the labelled target, every image checked.

    Raises:
        InvalidTargetError: If it has no labels or cannot be used.
    """
    opened = open_target(
        target,
        on_bad_image=chosen.on_bad_image,
        group_column=chosen.group_column,
        domain_column=chosen.domain_column,
        domains=chosen.domains,
        modality=asked_modality(chosen),
    )
    if not opened.labelled:
        shown, items = "", opened.train.modality
        if items.can_be_shown:
            named = f" {target}" if isinstance(target, str | os.PathLike) else " TARGET"
            shown = (
                f"To label a few of them, `autotransfer label{named} --count 40` says which and "
                "makes a page to do it on; or sort them into one folder a class, or name labelled "
                "source images of the same classes with --source-data PATH"
            )
        raise InvalidTargetError(
            f"the target has no labels: its {items.plural} lie in no class folders, and no column "
            f"'label' names their classes. "
            + (shown or "Label a few of them in a table with the column 'label'")
        )
    kind, tested = opened.train.modality.plural, opened.held_out
    apart = "" if tested is None else f", and {len(tested)} held out to test"
    chosen.say(f"{len(opened.train)} {kind} of {len(opened.class_names)} classes{apart}")
    for note in opened.notes:
        chosen.say(note)
    return opened


def open_with_labels(
    target: Any, more: ImageSet | None, chosen: Options
) -> tuple[Target, ImageSet | None]:
    """Return the labelled target, with what tables of labels add, and what is left unlabelled.

    The tables are about the further images where there are some, else about the target itself.

    Raises:
        InvalidTargetError: If the target has no labels, or a table does not fit the images.
    """
    if not chosen.labels:
        if chosen.new_classes:
            raise InvalidOptionError("new_classes is for tables of labels; give labels as well")
        return equally_deep(open_labelled(target, chosen), more, chosen)
    opened, pool, where = None, more, "the images without labels"
    if pool is None:
        pool, class_names, name, notes = open_unlabelled(
            target, on_bad_image=chosen.on_bad_image, modality=asked_modality(chosen)
        )
        where = name
        if class_names:
            raise InvalidOptionError(
                "labels are for images without: name these with unlabelled (--unlabelled PATH), "
                "beside the labelled target"
            )
        for note in notes:
            chosen.say(note)
    else:
        opened, pool = equally_deep(open_labelled(target, chosen), pool, chosen)
        assert pool is not None
    found = read_labels(chosen.labels, pool, where)
    together = with_labels(opened, pool, found, chosen.new_classes)
    for note in together.notes[0 if opened is None else len(opened.notes) :]:
        chosen.say(note)
    rest = np.setdiff1d(np.arange(len(pool)), found.positions)
    return together, pool.subset(rest) if len(rest) and more is not None else None


def open_source_images(chosen: Options, modality: Modality = USUAL) -> ImageSet | None:
    """Return the labelled source images that were given, or None.

    Raises:
        InvalidTargetError: If they have no labels or cannot be used.
    """
    if chosen.source_data is None:
        return None
    images, _ = open_source_data(chosen, modality)
    chosen.say(
        f"source {images.modality.plural}: {len(images)} of {len(images.class_names)} classes"
    )
    return images


def open_source_data(chosen: Options, modality: Modality) -> tuple[ImageSet, tuple[str, ...]]:
    """Return the labelled source images of the classes that are kept, and notes.

    Raises:
        InvalidTargetError: If they have no labels or cannot be used.
        InvalidOptionError: If a class that is to be kept is not there.
    """
    opened = open_target(chosen.source_data, on_bad_image=chosen.on_bad_image, modality=modality)
    if not opened.labelled:
        raise InvalidTargetError(
            f"{opened.name}: source {modality.plural} need labels; sort them into one folder a "
            "class, or name their classes in a column 'label'"
        )
    return with_classes(opened.train, chosen.classes), opened.notes


def open_more(chosen: Options) -> ImageSet | None:
    """Return the further target images without labels that were given, or None."""
    if chosen.unlabelled is None:
        return None
    images, _, _, notes = open_unlabelled(
        chosen.unlabelled, on_bad_image=chosen.on_bad_image, modality=asked_modality(chosen)
    )
    for note in notes:
        chosen.say(note)
    chosen.say(f"{images.modality.plural} without labels: {len(images)}")
    return images


def equally_deep(
    opened: Target, more: ImageSet | None, chosen: Options
) -> tuple[Target, ImageSet | None]:
    """Return both read with the bits of the deeper one; few images may not show the range."""
    own, other = opened.train.depth, more.depth if more is not None else None
    if more is None or own is None or other is None or own == other:
        return opened, more
    depth = max(own, other)
    note = f"the target and the images without labels are both read as images of {depth} bits"
    chosen.say(note)
    deeper = replace(opened.at_depth(depth), notes=(*opened.notes, note))
    return deeper, more.at_depth(depth)


def choose_sources(
    chosen: Options, registry: Registry, num_items: int, modality: Modality = USUAL
) -> Sources:
    """Return the candidate sources for so many items; those of other modalities are skipped.

    A default set is described before anything is fetched. Unless the user says which licences
    are allowed, those that are not permissive are told.
    """
    device, offered = device_of(chosen.device).type, tuple(registry.sources.values())
    if chosen.sources is None:
        chosen.say(describe_default_set(default_name(device), modality, num_items))
    resolved = resolve_sources(
        named_sources(chosen.sources, chosen.tracking_uri, Path(chosen.workspace or ".")),
        only=chosen.source,
        from_plugins=offered,
        device_type=device,
        license=chosen.license,
        modality=modality,
    )
    left = "" if chosen.source else told_left_out(offered, resolved.sources)
    licences = told_licences(resolved.sources) if chosen.license is None else ""
    for told in filter(None, (left, licences)):
        chosen.say(told)
    return resolved


def within_limits(
    sources: Sources, readers: FeatureReaders, images: ImageSet, chosen: Options
) -> Sources:
    """Return the sources that can keep the limits on the result.

    Raises:
        NoCandidateError: If there is none.
    """
    limits = ResultLimits(chosen.max_mb, chosen.max_ms, readers, images)
    if limits.none:
        return sources
    reasons = {source.name: limits.against([source]) for source in sources.sources}
    readers.release()
    return sources.without(reasons)


def make_readers(chosen: Options) -> FeatureReaders:
    """Return the feature readers of a fit, on the user's cache."""
    half = memory_of(chosen) // 2
    return FeatureReaders(
        FeatureStore(), PixelStore(half), load_backbone, device_of(chosen.device), half
    )
