"""From what the user named to sources that can be loaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from autotransfer.data.modality import Modality
from autotransfer.errors import (
    AutotransferError,
    DataWarning,
    InvalidSourceError,
    NoCandidateError,
    UnknownNameError,
)
from autotransfer.models.builders import is_known, kind_of
from autotransfer.models.catalogue.default_sets import DEFAULT_SETS, default_name
from autotransfer.models.catalogue.descriptions import default_set_of
from autotransfer.models.catalogue.earlier_fit import is_selection, source_of_selection
from autotransfer.models.catalogue.folder_sources import (
    HUB_NAME,
    is_source_folder,
    source_in_folder,
    source_on_hub,
)
from autotransfer.models.catalogue.licences import LicenceLike, Licences
from autotransfer.models.catalogue.plugin_sources import taking_part
from autotransfer.models.catalogue.timm_names import timm_source
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.small_cnn import SMALL_NETWORK, small_source
from autotransfer.models.source import Source
from autotransfer.models.timm_models import is_timm_model
from autotransfer.results import Skipped

SourceLike: TypeAlias = "str | Path | Source"


@dataclass(frozen=True)
class Sources:
    """The candidates of a fit.

    Args:
        sources: Those whose architecture is known, in the order they were named.
        skipped: The others, with the reason.
        default_set: Name of the default set that was taken because none was named, or "".
    """

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...]
    default_set: str = ""

    def without(self, reasons: Mapping[str, str]) -> Sources:
        """Return the sources without those that there is a reason against, by their names.

        Raises:
            NoCandidateError: If none is left.
        """
        skipped = [Skipped(name, "*", reason) for name, reason in reasons.items() if reason]
        kept = tuple(source for source in self.sources if not reasons[source.name])
        if not kept:
            everything = (*self.skipped, *skipped)
            raise NoCandidateError([f"{skip.source}: {skip.reason}" for skip in everything])
        return replace(self, sources=kept, skipped=(*self.skipped, *skipped))


def resolve_sources(
    requested: SourceLike | Iterable[SourceLike] | None,
    *,
    only: Sequence[str] = (),
    from_plugins: Sequence[Source] = (),
    device_type: str = "cpu",
    license: LicenceLike = None,
    modality: Modality | None = None,
) -> Sources:
    """Return the candidates.

    Args:
        requested: A default set, a catalogue, a timm name, the folder of an earlier selection, a
            source, or several of them; None is the default set for the device.
        only: Names to keep; empty keeps all.
        from_plugins: Sources that plugins offer. Those that are named join, and all of them
            where "plugins" is requested; they come after the others.
        device_type: "cpu" or "cuda".
        license: Licences that are allowed, `permissive` or `any`; None is any.
        modality: What the items are: sources of others are left out; None keeps all.

    Raises:
        InvalidOptionError: If `license` is not understood.
        UnknownNameError: If a name in `only`, or a timm name, is unknown.
        InvalidSourceError: If no source of a catalogue is right, two sources have one name, or
            none is named.
        NoCandidateError: If no source is left whose architecture is known and whose licence is
            allowed.
    """
    licences, chosen = Licences.of(license), ""
    if requested is None:
        chosen = default_name(device_type)
        requested = chosen
    items, joined = taking_part(_items(requested), only, from_plugins)
    if not items and not joined:
        raise InvalidSourceError("sources is an empty list; leave it out for the default ones")
    expanded = _expanded(items, modality)
    found = [source for good, _ in expanded for source in good]
    wrong = [skip for _, bad in expanded for skip in bad]
    found += joined
    names = [source.name for source in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSourceError(f"two sources are named {name!r}; rename one of them")
    for name in only:
        if name not in names:
            raise _not_there(name, names, wrong)
    found = [source for source in found if not only or source.name in only]
    licences.check(found)
    reasons = {
        source.name: _other(source, modality) or _unknown(source) or licences.against(source)
        for source in found
    }
    kept = tuple(skip for skip in wrong if not only)
    for skip in kept:
        warnings.warn(f"left out: {skip.reason}", DataWarning, stacklevel=2)
    return Sources(tuple(found), kept, chosen).without(reasons)


def _expanded(
    items: Sequence[SourceLike], modality: Modality | None
) -> list[tuple[tuple[Source, ...], tuple[Skipped, ...]]]:
    """Return what each item names; one source of a catalogue among them is no item."""
    found, unknown = [], []
    for item in items:
        try:
            found.append(_expand(item, modality))
        except UnknownNameError as error:
            unknown.append((str(item), error))
    listed = {source.name for good, _ in found for source in good}
    for name, reason in unknown:
        if name not in listed:
            raise reason
        raise InvalidSourceError(
            f"{name!r} is a source of a catalogue that sources names already; to keep it alone, "
            f"give the catalogue and --source {name} (source=[{name!r}] in Python)"
        ) from reason
    return found


def _items(requested: SourceLike | Iterable[SourceLike]) -> list[SourceLike]:
    if isinstance(requested, str | Path | Source):
        return [requested]
    if not isinstance(requested, Iterable):
        raise InvalidSourceError(
            f"sources must be a catalogue, a name, a Source or a list of these, got {requested!r}"
        )
    return list(requested)


def _other(source: Source, modality: Modality | None) -> str:
    """Return that a source reads items of another modality; empty where it does not."""
    if modality is None or source.modality is modality:
        return ""
    return f"it reads {source.modality.plural}, and the items are {modality.plural}"


def _unknown(source: Source) -> str:
    """Return why timm cannot make a source; empty where it can."""
    if is_known(source.architecture) or is_timm_model(source.architecture):
        return ""
    if kind := kind_of(source.architecture):
        return (
            f"no code makes networks of the kind {kind!r}; name the file that does with --plugin"
        )
    return (
        f"timm has no architecture {source.architecture!r}; name the file that registers it with "
        "--plugin"
    )


def _not_there(name: str, names: Sequence[str], wrong: Sequence[Skipped]) -> AutotransferError:
    """Return why a source that was named cannot be taken."""
    reasons = [skip.reason for skip in wrong if skip.source == name]
    return InvalidSourceError(reasons[0]) if reasons else UnknownNameError("source", name, names)


def _expand(
    item: SourceLike, modality: Modality | None = None
) -> tuple[tuple[Source, ...], tuple[Skipped, ...]]:
    """Return the sources that an item names, and those of a catalogue that are wrong."""
    if isinstance(item, Source):
        return (item,), ()
    if not isinstance(item, str | Path):
        raise InvalidSourceError(
            f"a source must be a name, a path or a Source, got a {type(item).__name__}"
        )
    text = str(item)
    folder = is_selection(Path(text)) or is_source_folder(Path(text))
    if text in DEFAULT_SETS and not folder:
        return default_set_of(text, modality), ()
    if not folder and (isinstance(item, Path) or text.endswith(".toml")):
        return read_catalogue(Path(text))
    return (_single(text),), ()


def _single(text: str) -> Source:
    """Return the source that a folder or a name stands for."""
    path = Path(text)
    if is_selection(path):
        return source_of_selection(path)
    if is_source_folder(path):
        return source_in_folder(path)
    if text == SMALL_NETWORK:
        return small_source()
    if HUB_NAME.fullmatch(text) and not path.parent.is_dir():
        return source_on_hub(text)
    return timm_source(text)
