"""The guard of the zero-shot scenario: do the attributes carry anything to classes not seen?

Tested on held-out items of unseen classes where the user has some, else on seen classes, each
held out with every other one. The null exchanges attribute rows, drawn from the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import Verdict, ZeroShotFigures, ZeroShotFindings
from autotransfer.scenarios.zero_shot.calibrated_stacking import Calibration, calibrate
from autotransfer.scenarios.zero_shot.held_out_guard import judge_held_out
from autotransfer.scenarios.zero_shot.metrics import (
    harmonic_mean,
    per_class_top1,
    seen_unseen_curve,
)
from autotransfer.scenarios.zero_shot.pairwise_guard import judge_pairs
from autotransfer.scenarios.zero_shot.refits import Point, as_attribute_predictor
from autotransfer.scenarios.zero_shot.verdict import HELD_OUT, HELD_OUT_ITEMS, verdict_of
from autotransfer.search.checkpoint import Checkpoint

_CURVE_POINTS = 50


def guard_zero_shot(
    finalist: Checkpoint,
    point: Point,
    competitors: Sequence[Point],
    held_out: ImageSet | None,
    *,
    value: float,
    seed: int,
    deadline: float | None,
    say: Callable[[str], None],
) -> tuple[Verdict, Checkpoint, ZeroShotFindings]:
    """Return the tested verdict, what is returned because of it, and the figures beside it.

    Args:
        finalist: Trained on all images of the seen classes.
        point: The same, to fit again.
        competitors: The trials it competed with.
        held_out: Labelled images that nothing has touched so far, labels as places in the table;
            None where there are none.
        value: Per-class top-1 among held-out classes, as the search measured it.
        seed: Seeds what is drawn.
        deadline: `time.monotonic()` from which tests are cut short.
        say: Told about progress.
    """
    table = point.context.table
    predictor = as_attribute_predictor(finalist.predictor, finalist.strategy)
    calibration = calibrate(point.divisions(say))
    unseen_top1, seen_top1 = calibration.unseen, calibration.seen
    harmonic = harmonic_mean(unseen_top1, seen_top1)
    figures = [
        ZeroShotFigures(HELD_OUT, unseen_top1, seen_top1, harmonic, calibration.area, value)
    ]
    unseen = None if held_out is None else _unseen_images(held_out, table)
    if held_out is None or unseen is None:
        say(f"holding out every pair of the {table.num_seen} seen classes")
        evidence = judge_pairs(point, competitors, seed=seed, deadline=deadline)
    else:
        say(f"testing {len(unseen)} held-out items of unseen classes")
        evidence = judge_held_out(predictor, unseen, table, point.source, point.reader, seed=seed)
        scores = predictor.scores(held_out, point.reader, table.values)
        figures.append(
            _held_out_item_figures(scores, held_out, table, calibration, evidence.score)
        )
    verdict = verdict_of(evidence)
    kept = finalist
    if verdict.returned != "transfer":
        shares = np.full(len(table.class_names), 1 / len(table.class_names))
        kept = Checkpoint(MajorityPredictor(shares), MAJORITY, baseline=True, source=None)
    zero_shot = replace(
        uncalibrated(table),
        stacking_offset=calibration.stacking_offset,
        inverse_temperature=calibration.inverse_temperature,
        figures=tuple(figures),
        p_value=evidence.p_value,
        null_high=evidence.null_high,
        pairs=evidence.pairs,
        nearest_seen_class=evidence.nearest,
        known_to_source=evidence.known,
        without_known=evidence.without_known,
        own_head=evidence.own_head,
        competitors=evidence.competitors,
    )
    return verdict, kept, zero_shot


def uncalibrated(table: Attributes) -> ZeroShotFindings:
    """Return what predictions need where nothing was tested: no figure, and no handicap."""
    return ZeroShotFindings(
        seen=table.seen,
        unseen=table.unseen,
        attributes=table.names,
        values=tuple(tuple(row) for row in table.values.tolist()),
        stacking_offset=0.0,
        inverse_temperature=1.0,
        figures=(),
        p_value=1.0,
        null_high=1.0,
        pairs=0,
        nearest_seen_class=0.0,
        known_to_source=(),
        without_known=None,
        own_head=None,
        describer=table.describer,
    )


def _unseen_images(held_out: ImageSet, table: Attributes) -> ImageSet | None:
    places = np.flatnonzero(held_out.labels >= table.num_seen)
    return held_out.subset(places) if len(np.unique(held_out.labels[places])) > 1 else None


def _held_out_item_figures(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    held_out: ImageSet,
    table: Attributes,
    calibration: Calibration,
    alone: float,
) -> ZeroShotFigures:
    """Return the figures of held-out items; those with seen classes where some are of these."""
    of_unseen = held_out.labels >= table.num_seen
    if of_unseen.all():
        shifted = scores - calibration.stacking_offset * (
            np.arange(scores.shape[1]) < table.num_seen
        )
        unseen = per_class_top1(held_out.labels, shifted.argmax(axis=1))
        return ZeroShotFigures(HELD_OUT_ITEMS, unseen, None, None, None, alone)
    curve = seen_unseen_curve(scores, held_out.labels, table.num_seen)
    unseen, seen = curve.at(calibration.stacking_offset)
    places = np.unique(np.linspace(0, len(curve.unseen) - 1, _CURVE_POINTS).round().astype(int))
    points = tuple((float(curve.unseen[i]), float(curve.seen[i])) for i in places)
    return ZeroShotFigures(
        HELD_OUT_ITEMS, unseen, seen, harmonic_mean(unseen, seen), curve.area, alone, points
    )
