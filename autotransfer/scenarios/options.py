"""The options of a fit, checked once at the start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidOptionError, did_you_mean
from autotransfer.masking import note_secrets
from autotransfer.results import Outcome
from autotransfer.scenarios.budget import DEFAULT_BUDGET, Budget
from autotransfer.scenarios.option_checks import check_options

DEFAULT_MEMORY = 2 << 30

Say = Callable[[str], None]
OnPart = Callable[[str, float], None]
OnOutcome = Callable[[Outcome], None]


def _silent(*_told: object) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """Everything about a fit but its target; the defaults are those of the command line.

    Args:
        scenario: "labelled", "unlabelled" or "zero-shot"; None tells it from what is given.
        source_data: Labelled source images, in any form that a target has; for strategies
            that learn from them as well, and all that there is to learn from without target
            labels.
        classes: Names of the classes of `source_data` to keep; empty keeps all.
        modality: "image", "text", "sound" or a kind that a plugin adds; None tells it from the
            target.
        unlabelled: Further target images without labels, beside labelled ones.
        labels: Tables of labels of the further images, or of a target without labels, as
            `autotransfer label` writes them. What was not drawn at random only trains.
        new_classes: Names in these tables that the target does not have, and that are meant.
        through: Without target labels: sets of images that lie between source and target, with
            labels or without; the fit goes through them where the way is shorter.
        audit_labels: Without target labels: how many to ask for, or the table that was filled in.
        group_column: Column of a manifest that names what belongs together: one patient, one
            camera. A group stays on one side of every division and counts once in the test.
        domain_column: Column of a manifest that names the domain (hospital, camera, style), or
            ":folder" for the top folders, with class folders below. Each domain is left out in
            turn, and the verdict is about a domain that was never seen.
        domains: (n,) name of the domain of each item, where items are given one by one (an array,
            a list, features); the same as `domain_column`.
        descriptions: A CSV table with the columns class and description, or a mapping from class
            to a sentence about it, in place of `attributes`: a source of texts reads them.
        attributes: A CSV table of classes and their attributes, or a mapping from class to
            numbers; classes without images are told apart by it.
        sources: A default set, a catalogue, timm names, or records; None is a default set.
        source: Name or names of the sources to keep; empty keeps all.
        license: Licences that a source may have: "any", "permissive", or names, with commas or as
            a list; the others are left out. None is any, and tells which are not permissive.
        strategies: Names of the strategies to use; empty is what the space says.
        space: Name of a preset, or a TOML file.
        budget: "10m", "90s", "40 trials" or a `Budget`; None is what `trials` and `seconds` say,
            and 10 minutes where they are None as well.
        trials: Number of trials, over all resumes; None is no limit of them.
        seconds: Wall time of the whole fit; None is no limit where `trials` is given.
        began: The `time.monotonic()` that the time counts from; None is now.
        max_sources: Largest size of the shortlist.
        max_mb: Largest size of the result, 1e6 bytes; None is no limit.
        max_ms: Longest time of the result for an image, milliseconds; None is no limit.
        metric: What is maximised and tested.
        class_weights: "balanced", or how much a class counts by its name ("ants=2,bees=1");
            None is as much as it occurs.
        margin: Gap that counts as no difference; None is the default of the metric.
        refit: Whether the finalist is trained again on all search images.
        ensemble: Whether finished trials may be combined where that is expected to gain.
        single: Whether the result may read one source only: nothing is put together then.
        sampler: "tpe", "gp" or "random".
        executor: "inline", "processes" or "ray"; None is processes where `workers` is given.
        workers: Number of trials at a time; None is 1 inline, and what there is elsewhere.
        ray_address: Address of a Ray cluster, or "auto"; None starts one on this machine.
        memory: Memory that trials may plan for, GB; None is 2.
        warm_start: Whether earlier fits in the same storage give first points.
        keep_searching: Whether the search uses all its time, worth it or not.
        storage: Optuna storage URL; None is AUTOTRANSFER_STORAGE or SQLite in the workspace.
        tracking_uri: MLflow; None is MLFLOW_TRACKING_URI or SQLite in the workspace; "off" writes
            nothing there.
        experiment: Name of the MLflow experiment.
        register: Name under which the result is registered in MLflow. The first version gets the
            alias `champion`; a later one where it is shown to be no worse than the champion on
            items that neither has learnt from.
        promote: Whether the registered result gets the alias `champion` in any case.
        name: Name of the study and of its folder, without a slash, of 200 bytes at most; None
            makes one from the target.
        resume: Whether a study of that name is continued.
        out: Folder of the selection; None is a folder named after the study.
        workspace: Folder of the study, of MLflow's store and of what a fit writes beside them;
            None is the current folder.
        guard: Whether the result is tested against baselines. Without it nothing is held out back
            from the answer, the verdict is unverified, and the transferred model is returned.
        report: Whether an HTML report is written beside the selection.
        on_bad_image: "stop" or "skip".
        plugins: Plugin files.
        device: "auto", "cpu" or "cuda".
        seed: Seeds everything that is random.
        verbose: Whether progress is printed, a line at a time; None is where there is a terminal
            or a notebook, unless `say` is given.
        say: Told about progress, a line at a time.
        on_part: Told each part that is done ("open", "rank", "search", "guard"), its seconds.
        on_outcome: Told about each finished probe and trial.
    """

    scenario: str | None = None
    source_data: Any = None
    classes: Sequence[str] = ()
    attributes: Any = None
    descriptions: Any = None
    group_column: str | None = None
    domain_column: str | None = None
    domains: Iterable[Any] | None = None
    modality: str | None = None
    unlabelled: Any = None
    labels: Sequence[str | Path] = ()
    new_classes: Sequence[str] = ()
    through: Sequence[Any] = ()
    audit_labels: int | str | None = None
    sources: Any = None
    source: str | Sequence[str] = ()
    license: str | Sequence[str] | None = None
    strategies: Sequence[str] = ()
    space: str = "default"
    budget: Budget | str | None = None
    trials: int | None = None
    seconds: float | None = None
    began: float | None = None
    max_sources: int | None = None
    max_mb: float | None = None
    max_ms: float | None = None
    metric: str = "accuracy"
    class_weights: str | Mapping[str, float] | None = None
    margin: float | None = None
    refit: bool = True
    ensemble: bool = True
    single: bool = False
    sampler: str = "tpe"
    executor: str | None = None
    workers: int | None = None
    ray_address: str | None = None
    memory: float | None = None
    warm_start: bool = False
    keep_searching: bool = False
    storage: str | None = field(default=None, repr=False)  # it may have a password
    tracking_uri: str | None = field(default=None, repr=False)
    experiment: str = "autotransfer"
    register: str | None = None
    promote: bool = False
    name: str | None = None
    resume: bool = False
    out: str | Path | None = None
    workspace: str | Path | None = None
    guard: bool = True
    report: bool = True
    on_bad_image: str = "stop"
    plugins: Sequence[str | Path] = ()
    device: str = "auto"
    seed: int = 0
    verbose: bool | None = None
    say: Say = field(default=_silent, repr=False)
    on_part: OnPart = field(default=_silent, repr=False)
    on_outcome: OnOutcome = field(default=_silent, repr=False)


_RENAMED = {"setting": "scenario", "only_sources": "source"}  # former names


def read_options(given: dict[str, Any]) -> Options:
    """Return the checked options.

    Raises:
        InvalidOptionError: If there is no such option, or it has a value that is not allowed or
            could not be kept at the end.
    """
    known = sorted(Options.__dataclass_fields__)
    unknown = sorted(set(given) - set(known))
    if unknown:
        name = unknown[0]
        renamed = f", which is now called {_RENAMED[name]};" if name in _RENAMED else ""
        meant = renamed or did_you_mean(name, known)
        rest = " help(autotransfer.fit) has all" if meant else f"; available: {', '.join(known)}"
        raise InvalidOptionError(f"no option {name!r}{meant}{rest}")
    if isinstance(given.get("source"), str):
        given = {**given, "source": (given["source"],)}
    defaults: dict[str, Any] = {option.name: option.default for option in fields(Options)}
    chosen = Options(**{n: defaults[n] if v is None else v for n, v in given.items()})
    note_secrets(*given.values())
    check_options(vars(chosen))
    budget_of(chosen)
    return chosen


_WITH_LABELS = "is for a target with labels; leave it out"
_WITHOUT_LABELS = "is for a target without labels; leave it out"
_BESIDE_ATTRIBUTES = "cannot be used beside attributes; leave it out"
_OF_SOURCE_DATA = "are kept of source_data, which has no use here; leave them out"
_OF_IMAGES = "is for images; features were given, so leave it out"
# Options that have no meaning in a scenario, and what to do about them.
REFUSED: Mapping[str, Mapping[str, str]] = {
    "labelled": {
        "through": "is for targets without labels, beside source_data; for a labelled target give "
        "images without labels as unlabelled, or labelled ones as source_data",
        "audit_labels": _WITHOUT_LABELS,
    },
    "precomputed": {
        **dict.fromkeys(("scenario", "source_data", "attributes", "descriptions"), _OF_IMAGES),
        **dict.fromkeys(("group_column", "domain_column", "unlabelled", "through"), _OF_IMAGES),
        **dict.fromkeys(("labels", "new_classes", "max_mb", "max_ms", "on_bad_image"), _OF_IMAGES),
        "classes": _OF_SOURCE_DATA,
        "modality": "is for items; features were given, so leave it out",
        "audit_labels": _WITHOUT_LABELS,
        "sources": "is for images; the sources are those whose features were given",
        "license": "is for pretrained networks; features were given, so leave it out",
    },
    "unlabelled": {
        **dict.fromkeys(("new_classes", "group_column", "domain_column", "domains"), _WITH_LABELS),
        **dict.fromkeys(("metric", "class_weights", "warm_start"), _WITH_LABELS),
        "labels": "makes it a target with labels; add --scenario labelled, or leave it out",
        "unlabelled": "is for images beside labelled ones, and the target itself has no labels; "
        "put them all into the target",
        "keep_searching": "is for a target with labels: only such a search ends before its time",
        "guard": "is for a target with labels: without them nothing is tested; leave it out",
    },
    "zero-shot": {
        **dict.fromkeys(
            ("labels", "new_classes", "source_data", "unlabelled"), _BESIDE_ATTRIBUTES
        ),
        "classes": _OF_SOURCE_DATA,
        "through": _WITHOUT_LABELS,
        "audit_labels": _WITHOUT_LABELS,
        "group_column": "cannot be used beside attributes: classes are held out, not images",
        "domain_column": "cannot be used beside attributes: classes are held out, not domains",
        "domains": "cannot be used beside attributes: classes are held out, not domains",
        "class_weights": "cannot be used beside attributes: every class counts the same",
        "margin": "cannot be used beside attributes: the test exchanges rows of attributes",
        "keep_searching": "cannot be used beside attributes: there no search ends by itself",
    },
}


def refuse_unusable(options: Options, scenario: str) -> None:
    """Refuse options that have no meaning in a scenario.

    Raises:
        InvalidOptionError: Naming the option and what to do.
    """
    for name, reason in REFUSED[scenario].items():
        if is_given(options, name):
            raise InvalidOptionError(f"{name} {reason}")
    if options.classes and options.source_data is None:
        raise InvalidOptionError("classes are kept of source_data; give source_data as well")
    if scenario == "precomputed" and options.device not in ("auto", "cpu"):
        raise InvalidOptionError(f"device {options.device!r} {_OF_IMAGES}")
    if scenario == "unlabelled" and options.margin is not None and options.audit_labels is None:
        raise InvalidOptionError("margin is for a verdict with labels; give audit_labels as well")


def is_given(options: Options, name: str) -> bool:
    """Return whether an option differs from its default; arrays are never compared.

    Args:
        options: All of them.
        name: Which one.
    """
    value, default = getattr(options, name), Options.__dataclass_fields__[name].default
    if value is default or (isinstance(value, Sized) and default == () and not len(value)):
        return False
    return not isinstance(value, str | int | float) or value != default


def budget_of(chosen: Options) -> Budget:
    """Return the budget, the default one where none is given."""
    if chosen.trials is not None or chosen.seconds is not None:
        if chosen.budget is not None:
            raise InvalidOptionError(
                f"budget {chosen.budget!r} beside trials or seconds; give one or the other"
            )
        return Budget(chosen.trials, chosen.seconds)
    given = DEFAULT_BUDGET if chosen.budget is None else chosen.budget
    if isinstance(given, Budget):
        return given
    if not isinstance(given, str):
        raise InvalidOptionError(f"budget must be a text such as '10m' or a Budget, got {given!r}")
    return Budget.parse(given)


def asked_modality(chosen: Options) -> Modality | None:
    """Return what the user says that the items are; None where nothing is said."""
    return None if chosen.modality is None else Modality(chosen.modality)


def memory_of(chosen: Options) -> int:
    """Return the bytes that decoded images and raw outputs may take together."""
    return DEFAULT_MEMORY if chosen.memory is None else int(chosen.memory * 1e9)


def device_of(name: str) -> torch.device:
    """Return the device that an option names: auto, cpu, cuda, or cuda:N for one of several.

    Raises:
        InvalidOptionError: If there is no such device here.
    """
    name = str(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InvalidOptionError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name != "cpu" and int(name.partition(":")[2] or 0) >= count:
        raise InvalidOptionError(
            f"device {name}: this machine has {count or 'none'} that torch can use"
        )
    return torch.device(name)
