"""Champion against challenger: the guard's test for any two saved models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.near_duplicates import near_duplicates
from autotransfer.data.splitting import units_of
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.guard.bootstrap import compare
from autotransfer.guard.ledger import level_of, look
from autotransfer.guard.verdict import default_margin, judge, sentence
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.registry import discover
from autotransfer.results import Decision, Interval
from autotransfer.scenarios.option_checks import check_number
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.selection.selection import load


@dataclass(frozen=True)
class ModelComparison:
    """What a test of two models on the same labelled images found.

    Args:
        decision: Positive where the first model is better, negative where the second one is.
        sentence: The verdict in one sentence for people.
        metric: Name of the score.
        scores: Score of each model.
        gap: First minus second, with its 95 % interval (wider at a further look).
        minimum_detectable: Smallest true gap that would be found four times out of five.
        mcnemar: Two-sided mid-p of McNemar's test.
        left_out: Number of images that one of the models had learnt from.
        looks: Which look at these images this is.
        notes: What was decided about the images, or left out, in sentences.
    """

    decision: Decision
    sentence: str
    metric: str
    scores: tuple[float, float]
    gap: Interval
    minimum_detectable: float
    mcnemar: float
    left_out: int
    looks: int
    notes: tuple[str, ...] = ()


def compare_models(
    first: str | Path,
    second: str | Path,
    images: Any,
    *,
    metric: str = "accuracy",
    margin: float | None = None,
    plugins: Sequence[str | Path] = (),
    device: str = "cpu",
    seed: int = 0,
    on_bad_image: str = "stop",
) -> ModelComparison:
    """Return which of two saved models is better on labelled images, and how sure that is.

    Images that either model has learnt from are left out. Of a target with splits the test
    images are used, or all where there is no test.

    Args:
        first: Folder of a selection.
        second: Folder of another one with the same classes.
        images: Labelled images, in any form that a target has.
        metric: The score.
        margin: Gap that counts as no difference; None is the default of the metric.
        plugins: Plugin files that the models need.
        device: Where to compute.
        seed: Seeds the resamples.
        on_bad_image: "stop", or "skip" images that cannot be decoded.

    Raises:
        InvalidOptionError: If a folder holds no selection, or the classes differ.
        InvalidTargetError: If the images have no labels or other classes, or if the models
            have learnt from all of them.
    """
    check_number("seed", seed)
    check_number("margin", margin)
    registry = discover(files=[Path(plugin) for plugin in plugins])
    models = tuple(load(m, device=device, registry=registry) for m in (first, second))
    names = models[0].class_names
    if set(names) != set(models[1].class_names):
        raise InvalidOptionError(
            f"the models tell different classes apart: {', '.join(names)}; and "
            f"{', '.join(models[1].class_names)}. Only models with the same classes compare"
        )
    opened = open_target(images, minimum_per_class=1, on_bad_image=on_bad_image)
    shown = _with_classes(opened.held_out or opened.train, names)
    seen = {digest for model in models for digest in model.kept.seen}
    fresh = shown.subset([i for i, digest in enumerate(shown.digests) if digest not in seen])
    if not len(fresh):
        raise InvalidTargetError(
            f"the models have learnt from all {len(shown)} images; compare them on new ones"
        )
    columns = [[model.class_names.index(name) for name in names] for model in models]
    said = [m.predict_proba(fresh)[:, of] for m, of in zip(models, columns, strict=True)]
    answers = np.concatenate([p.argmax(axis=1) for p in said])
    looks = look(Path.cwd() / STORAGE_FILE, fresh.digests * 2, answers, "compare")
    score, units = metric_named(metric), units_of(fresh, None, near_duplicates(fresh))
    comparison = compare(score, fresh.labels, *said, units=units, level=level_of(looks), seed=seed)
    margin = default_margin(score, comparison.n) if margin is None else margin
    decision = judge(comparison, margin=margin)
    named = {"subject": Path(first).name, "rival": Path(second).name, "images": "labelled images"}
    return ModelComparison(
        decision=decision,
        sentence=sentence(comparison, decision, margin=margin, **named),
        metric=score.name,
        scores=(comparison.test.value, comparison.rival),
        gap=comparison.gap,
        minimum_detectable=comparison.minimum_detectable,
        mcnemar=comparison.mcnemar,
        left_out=len(shown) - len(fresh),
        looks=looks,
        notes=opened.notes,
    )


def _with_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """Return the images with their labels in the order of the models' classes."""
    if not images.labelled:
        raise InvalidTargetError("the images have no labels; sort them into one folder a class")
    unknown = [name for name in images.class_names if name not in names]
    if unknown:
        raise InvalidTargetError(
            f"the models know no class {', '.join(unknown)}; they know {', '.join(names)}"
        )
    column = np.array([names.index(name) for name in images.class_names], dtype=np.int64)
    return ImageSet(images, np.arange(len(images)), column[images.labels], names)
