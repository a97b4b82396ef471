"""`suggest_labels`: from a target and images without labels to a table and a page to label on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count as counting
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.atomic_files import write_whole
from autotransfer.data.csv_cells import csv_text
from autotransfer.data.image_set import ImageSet
from autotransfer.data.label_files import DRAWN, IMAGE, LABEL, read_labels
from autotransfer.data.target import open_unlabelled
from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.forecasts import Range
from autotransfer.labelling.clusters import new_classes, seeming_clusters
from autotransfer.labelling.picking import pick
from autotransfer.labelling.sheet import sheet_of
from autotransfer.labelling.suggestion import Asked, Round, Suggestion, divided, mixed, reserved
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.source import Source
from autotransfer.scenarios.inputs import choose_sources, make_readers
from autotransfer.scenarios.label_forecast import label_forecast, measured_curve
from autotransfer.scenarios.labelled import Labelled
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.run import Request, requested
from autotransfer.transferability.learning_curve.forecasting import gain_of
from autotransfer.transferability.learning_curve.power_law import fitted
from autotransfer.transferability.learning_curve.subsampling import Grams, gained
from autotransfer.transferability.scores.rankme import effective_rank

COUNT, WORTH = 20, 0.5
MOST_COUNT = 1000  # images on a page
MOST_SOURCES = 3  # whose features choose
RANKED_BY = 300  # images, by which sources are ranked without any label
NEW_SHARE = 1 / 3  # of the chosen images, at most, for classes that nobody has named yet
OF_A_NEW_CLASS = 2  # images that are asked for of each
Z_90 = 1.645  # the normal quantile of 95 %
RANKME_OFFSET = 1e-7  # added to each share, as in the paper


@dataclass(frozen=True)
class _Known:
    """What is known before a round.

    Args:
        pool: Images without a label.
        items: Labelled images; None where there are none.
        readers: The feature cache.
        sources: Whose features choose, the best first.
        scenario: None without any label.
        ranking: Of its sources; None without any label.
        class_names: Known classes.
    """

    pool: ImageSet
    items: ImageSet | None
    readers: FeatureReaders
    sources: tuple[Source, ...]
    scenario: Labelled | None = None
    ranking: Any = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Any, request: Request) -> _Known:
        options = request.options
        if options.unlabelled is None and not options.labels:
            return cls._without_labels(target, request)
        scenario = Labelled.open(target, request)
        pool = scenario.problem.unlabelled
        if options.unlabelled is None:
            pool, *_ = open_unlabelled(target, on_bad_image=options.on_bad_image)
        parts = (scenario.problem.target.train, scenario.problem.target.validation,
                 scenario.problem.target.held_out)  # fmt: skip
        seen = {digest for part in parts if part is not None for digest in part.digests}
        if pool is None:
            raise InvalidTargetError("every image has a label already; add images without labels")
        _refuse_unseen(pool)
        pool = pool.subset([i for i, d in enumerate(pool.digests) if d not in seen])
        ranking, _ = scenario.rank()
        by_name = {source.name: source for source in scenario.sources.sources}
        sources = tuple(by_name[name] for name in ranking.shortlist[:MOST_SOURCES])
        known = cls(pool, scenario.items, scenario.readers, sources)
        return replace(known, scenario=scenario, ranking=ranking, class_names=scenario.class_names)

    @classmethod
    def _without_labels(cls, target: Any, request: Request) -> _Known:
        options = request.options
        pool, class_names, name, notes = open_unlabelled(target, on_bad_image=options.on_bad_image)
        _refuse_unseen(pool)
        if class_names:
            raise InvalidOptionError(
                f"{name} has labels, {len(class_names)} classes; name the images to choose from "
                "as well: autotransfer label TARGET UNLABELLED"
            )
        sources = choose_sources(options, request.registry, len(pool), pool.modality).sources
        readers = make_readers(options)
        ranked = _label_free(sources, pool.sample(RANKED_BY, options.seed), readers)
        told = (
            f"no label yet: {len(sources)} source(s) are ranked by the effective rank of their "
            "features (RankMe), which needs none",
        )
        return cls(pool, None, readers, ranked[:MOST_SOURCES], notes=(*notes, *told))

    def features(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n, d) features of the pool and (m, d) of the labelled images, side by side."""
        blocks, others = [], []
        for source in self.sources:
            x = self.readers[source](self.pool)
            known = x[:0] if self.items is None else self.readers[source](self.items)
            self.readers.release()
            centre = np.concatenate([x, known]).mean(axis=0, dtype=np.float64)
            blocks.append(unit_rows(x - centre).astype(np.float32))
            others.append(unit_rows(known - centre).astype(np.float32))
        scale = np.float32(1 / np.sqrt(len(blocks)))
        return np.concatenate(blocks, axis=1) * scale, np.concatenate(others, axis=1) * scale


def suggest_labels(
    target: Any,
    unlabelled: Any = None,
    *,
    count: int = COUNT,
    labels: Sequence[str | os.PathLike[str]] = (),
    worth: float = WORTH,
    out: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Suggestion:
    """Return which images to label next, and write a table and a page to label them on.

    A third of them are drawn at random from a part of the images that nothing is ever chosen
    from: they alone may test what is learnt. The others are chosen for what they teach.

    Args:
        target: As for `fit`; or the images without labels, where there are none yet.
        unlabelled: Images without labels, in any form that a target has.
        count: How many images are asked for.
        labels: Tables that were filled in before, the latest last.
        worth: Points of accuracy that a round has to be expected to gain.
        out: Folder of the table and the page; None is "labels-1", or the next that is free.
        **options: The fields of `Options` that concern images, sources and device.

    Raises:
        AutotransferError: If target, images, tables or options cannot be used.
    """
    _check(count, worth)
    given = {**options, "labels": tuple(labels), "unlabelled": unlabelled}
    with requested(given, "suggest_labels") as request:
        known, chosen = _Known.of(target, request), request.options
        if not len(known.pool):
            raise InvalidTargetError("every image has a label already; add images without labels")
        asked, notes = _asked(known, min(count, len(known.pool)), chosen.seed)
        forecast = last = None
        if known.scenario is not None:
            forecast = label_forecast(known.scenario, known.ranking, further=count)
            last = _last_round(target, known, chosen)
        following = None if forecast is None else forecast.more[0]
        table, sheet = _written(asked, known, out)
        return Suggestion(
            asked,
            tuple(source.name for source in known.sources),
            str(table),
            str(sheet),
            known.class_names,
            forecast,
            following,
            last,
            _stop(None if following is None else following.gain.value, count, worth),
            (*known.notes, *notes),
        )


def _refuse_unseen(pool: ImageSet) -> None:
    """Refuse items for which there is no page to label them on."""
    if not pool.modality.can_be_shown:
        raise InvalidTargetError(
            f"the page to label on shows images, and these are {pool.modality.plural}; label some "
            "of them in a table with the column 'label'"
        )


def _label_free(
    sources: Sequence[Source], images: ImageSet, readers: FeatureReaders
) -> tuple[Source, ...]:
    """Return the sources by the effective rank of their features, the greatest first."""
    scores = {}
    for source in sources:
        x = readers[source](images)
        readers.release()
        singular = np.linalg.svd(x, compute_uv=False)
        scores[source.name] = effective_rank(singular[singular > 0], RANKME_OFFSET)
    return tuple(sorted(sources, key=lambda source: -scores[source.name]))


def _asked(known: _Known, count: int, seed: int) -> tuple[tuple[Asked, ...], list[str]]:
    """Return the images to label, and notes on clusters and on the random part."""
    pool, items = known.pool, known.items
    inner, labelled = known.features()
    labels = np.zeros(0, dtype=np.int64) if items is None else items.labels
    random, wanted = divided(pool, count)
    open_to_choice = np.flatnonzero(~reserved(pool))
    names, notes = dict[int, str](), list[str]()
    chosen = list[int]()
    if items is None:
        cluster = seeming_clusters(inner, seed)
        number = len(np.unique(cluster))
        notes.append(f"the images seem to fall into {number} clusters; name what you see")
        names = {i: f"cluster {c + 1} of {number}" for i, c in enumerate(cluster.tolist())}
    else:
        chosen, names, notes = _of_new_classes(inner, labelled, labels, open_to_choice, wanted)
    rest = np.setdiff1d(open_to_choice, chosen)
    more = pick(inner[rest], wanted - len(chosen), labelled, labels, seed=seed)
    chosen += rest[more].tolist()
    if len(random) + len(chosen) < count:
        notes.append(f"{len(random) + len(chosen)} images are all that are left to ask for")
    return mixed(pool, random, chosen, names, seed), notes


def _of_new_classes(
    pool: NDArray[np.float32],
    labelled: NDArray[np.float32],
    labels: NDArray[np.int64],
    open_to_choice: NDArray[np.int64],
    wanted: int,
) -> tuple[list[int], dict[int, str], list[str]]:
    """Return images of clusters far from every labelled one, what they are like, and a note."""
    found = new_classes(pool, labelled, labels)
    chosen, names = list[int](), dict[int, str]()
    for number, members in enumerate(found, start=1):
        mine = np.intersect1d(members, open_to_choice)
        if len(chosen) + OF_A_NEW_CLASS > NEW_SHARE * wanted:
            break
        middle = pool[members].mean(axis=0)
        nearest = np.argsort(np.square(pool[mine] - middle).sum(axis=1), kind="stable")
        chosen += mine[nearest[:OF_A_NEW_CLASS]].tolist()
        told = f"perhaps a new class ({number}): {len(members)} images like it, none labelled"
        names |= {int(i): told for i in members}
    told = f"{len(found)} cluster(s) lie far from all labelled images: perhaps new classes"
    return chosen, names, [told] if found else []


def _last_round(target: Any, known: _Known, chosen: Options) -> Round | None:
    """Return what the labels of the last table have brought, beside what was forecast."""
    scenario, sources = known.scenario, known.sources
    if scenario is None or not chosen.labels:
        return None
    where = target if chosen.unlabelled is None else chosen.unlabelled
    images, *_ = open_unlabelled(where, on_bad_image=chosen.on_bad_image)
    added = images.subset(read_labels(chosen.labels[-1:], images, "the images").positions)
    division, num_classes = scenario.division, len(scenario.class_names)
    before = ~np.isin(division.images.digests, added.digests)
    kept, new = np.flatnonzero(before), int((~before).sum())
    measured = measured_curve(sources, division.among(kept), scenario.readers, chosen.seed)
    tested = np.ones(len(before), np.bool_) if division.untested is None else ~division.untested
    if measured is None or not new or not tested.any():
        return None
    labels = division.images.labels
    features = [scenario.readers[source](division.images) for source in sources]
    scenario.readers.release()
    gains = gained(Grams.of(features, labels, num_classes), labels, num_classes, before, tested)
    n, mean = len(gains), float(gains.mean())
    half = Z_90 * float(np.sqrt((gains.var() + 1 / n) / n))  # one more may differ
    expected = gain_of(fitted(measured), len(kept), new)
    return Round(new, expected, Range(mean, mean - half, mean + half))


def _written(
    asked: Sequence[Asked], known: _Known, out: str | os.PathLike[str] | None
) -> tuple[Path, Path]:
    """Write the table and the page."""
    free = (p for n in counting(1) if not (p := Path.cwd() / f"labels-{n}").exists())
    folder = next(free) if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=out is None)
    except FileExistsError:
        raise InvalidOptionError(
            f"out {str(folder)!r} exists already; choose another folder, so that no label is lost"
        ) from None
    rows = [(IMAGE, LABEL, DRAWN), *((one.image, "", one.drawn) for one in asked)]
    table, sheet = folder / "labels.csv", folder / "labels.html"
    write_whole(table, csv_text(rows).encode(errors="surrogateescape"))
    page = sheet_of(folder.name, asked, known.pool, known.class_names)
    write_whole(sheet, page.encode(errors="replace"))
    return table, sheet


def _stop(gain: float | None, count: int, worth: float) -> str:
    """Return why another round is not worth it."""
    if gain is None or 100 * gain >= worth:
        return ""
    return (
        f"{count} more labels are expected to gain {100 * gain:.1f} points, less than the "
        f"{worth:g} that a round has to be worth: stop here, or lower --worth"
    )


def _check(count: Any, worth: Any) -> None:
    whole = isinstance(count, int) and not isinstance(count, bool)
    if not (whole and 1 <= count <= MOST_COUNT):
        raise InvalidOptionError(
            f"count must be a whole number from 1 to {MOST_COUNT}, got {count!r}"
        )
    number = isinstance(worth, int | float) and not isinstance(worth, bool)
    if not (number and 0 <= worth <= 100):
        raise InvalidOptionError(f"worth must be a number of points from 0 to 100, got {worth!r}")
