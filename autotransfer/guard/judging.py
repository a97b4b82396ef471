"""The guard: opens the sealed pictures once, for the finalist, the reference and the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.evaluation.labelled import predicted
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import TrainedBaseline, train_baselines
from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.restoring import TITLES
from autotransfer.guard.verdict import decide, default_margin, judge, sentence
from autotransfer.heads import fit_ridge
from autotransfer.predictors import HeadPredictor
from autotransfer.problem import Source
from autotransfer.results import Baseline, Interval, Verdict
from autotransfer.saved_predictor import Kept
from autotransfer.search.trial import Arena
from autotransfer.strategy import Predictor

BASIS = "sealed pictures"


@dataclass(frozen=True)
class Judgement:
    """The verdict, and the predictor that is returned because of it."""

    verdict: Verdict
    kept: Kept


def guard(
    finalist: Kept,
    arena: Arena,
    sealed: ImageSet,
    reference: Source,
    cache: BaselineCache,
    *,
    margin: float | None,
    seed: int,
    deadline: float | None,
    say: Callable[[str], None],
) -> Judgement:
    """Return the tested verdict.

    Args:
        finalist: The one candidate that the search chose, trained on all search pictures.
        arena: The search pictures, the score and the features.
        sealed: Labelled pictures that nothing has touched so far.
        reference: The default source; a probe on it says what the search bought.
        cache: Where earlier baselines are.
        margin: The gap that counts as no difference; None is the default of the metric.
        seed: Seeds baselines and bootstrap.
        deadline: `time.monotonic()` of the end.
        say: Told about progress.
    """
    assert finalist.source is not None
    num_classes = len(arena.images.class_names)
    finalist_probabilities = predicted(
        finalist.predictor, sealed, arena.readers[finalist.source], num_classes
    )
    reference_probabilities = predicted(
        _probe(reference, arena), sealed, arena.readers[reference], num_classes
    )
    arena.readers.release()
    baselines: list[TrainedBaseline] = []
    for baseline in train_baselines(
        arena, sealed, finalist.source, cache, seed=seed, deadline=deadline
    ):
        say(f"baseline {TITLES[baseline.name]}: {baseline.seconds:.1f} s")
        baselines.append(baseline)
    comparison = compare(
        arena.metric,
        sealed.labels,
        finalist_probabilities,
        {baseline.name: baseline.probabilities for baseline in baselines},
        seed=seed,
    )
    margin = default_margin(arena.metric, len(sealed)) if margin is None else margin
    gap_reference = _gap_reference(
        arena, sealed, finalist_probabilities, reference_probabilities, seed
    )
    return _judgement(comparison, finalist, baselines, margin, gap_reference)


def _probe(source: Source, arena: Arena) -> Predictor:
    """Return the reference arm: ridge on the last stage of the default source."""
    reader = arena.readers[source]
    images = arena.images
    head = fit_ridge(reader(images), images.labels, len(images.class_names))
    return HeadPredictor(head, reader.num_stages)


def _gap_reference(
    arena: Arena,
    sealed: ImageSet,
    finalist: NDArray[np.float64],
    reference: NDArray[np.float64],
    seed: int,
) -> Interval:
    return compare(arena.metric, sealed.labels, finalist, {"reference": reference}, seed=seed).gap


def _judgement(
    comparison: Comparison,
    finalist: Kept,
    baselines: list[TrainedBaseline],
    margin: float,
    gap_reference: Interval,
) -> Judgement:
    decision = judge(comparison, margin=margin)
    returned = decide(comparison, decision, margin)
    best = next(b for b in baselines if b.name == comparison.best_baseline)
    shown = tuple(Baseline(b.name, comparison.scores[b.name], b.seconds) for b in baselines)
    test = comparison.test
    verdict = Verdict(
        decision=decision,
        basis=BASIS,
        sentence=sentence(comparison, decision, margin=margin, baseline=TITLES[best.name]),
        returned=returned,
        test=test,
        baselines=shown,
        best_baseline=best.name,
        gap=comparison.gap,
        minimum_detectable=comparison.minimum_detectable,
        gap_reference=gap_reference,
        returned_test=test.value if returned == "transfer" else comparison.scores[best.name],
    )
    return Judgement(verdict, finalist if returned == "transfer" else best.kept)
