"""The guard: opens the tested items once, for the finalist, the reference and the baselines.

The verdict is about one rival, which was chosen without the tested items; the scores of all other
baselines are shown beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import DeadlineError
from autotransfer.guard.baselines import Baselines, TrainedBaseline
from autotransfer.guard.bootstrap import LEVEL, Comparison, compare, mean_score, rounds_of
from autotransfer.guard.domains import CLAIM_FROM, compare_domains, domain_scores
from autotransfer.guard.evaluation_split import OUT_OF_FOLD, EvaluationSplit
from autotransfer.guard.selection_bias import competition_bound
from autotransfer.guard.verdict import decide, default_margin, judge, sentence, too_few_sentence
from autotransfer.models.calibration import calibration_error
from autotransfer.models.heads import fit_ridge
from autotransfer.models.metrics import Metric
from autotransfer.models.predictors.baselines import MAJORITY, TITLES
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.models.scoring import logit_adjusted, predicted
from autotransfer.models.source import Source
from autotransfer.results import Baseline, Decision, DomainScore, Verdict
from autotransfer.search.cross_validation import LabelledContext

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """The one candidate that the search chose.

    Args:
        probabilities: (m, K) what it says of the tested items, or (R, m, K) where it was chosen
            again in each round.
        trials: (m, K) validation predictions of all that competed, where the same items
            validated and test; empty otherwise.
        obvious: Whether it is what anybody would try first.
        optimism: Its validation score minus that of choosing again, on items that had no part in
            the choice; None where choosing again is the test itself.
    """

    probabilities: Predictions
    trials: Mapping[int, Predictions]
    competed: int
    validation: float
    obvious: bool = False
    optimism: float | None = None


@dataclass(frozen=True)
class Terms:
    """What a verdict is given by.

    Args:
        margin: The gap that counts as no difference; None is the default of the metric.
        level: Error on each side of the intervals.
        looks: Which look at the tested items this is.
    """

    margin: float | None = None
    level: float = LEVEL
    looks: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """What is known of the tested items beside any candidate; one of the baselines is the rival.

    Args:
        chosen_by: What the rival was chosen by; out of fold the split itself.
        probed: (m, K) what a probe on the default source says; None where it was not read.
    """

    split: EvaluationSplit
    chosen_by: EvaluationSplit
    context: LabelledContext
    probed: Predictions | None
    baselines: tuple[TrainedBaseline, ...]

    @property
    def rival(self) -> TrainedBaseline:
        """Return what transfer is compared with."""
        return next(baseline for baseline in self.baselines if baseline.rival)


def open_test(
    split: EvaluationSplit,
    context: LabelledContext,
    reference: Source | None,
    baselines: Baselines,
    say: Callable[[str], None],
) -> Opened:
    """Return what every candidate is compared with, trained once.

    Args:
        split: What is compared on.
        context: The score and the features.
        reference: The default source; a probe on it says what the search bought. None where
            there is no time to read it.
        baselines: What uses no source.
        say: Told about progress.

    Raises:
        DeadlineError: If there was no time for any baseline that looks at an item.
    """
    probed = None
    if reference is not None:
        probed = np.concatenate([_probed(reference, context, *pair) for pair in split.divisions])
        context.readers.release()
    found: dict[str, TrainedBaseline] = {}
    for baseline in baselines.on(split):
        if baseline.name not in found:
            stopped = "" if baseline.whole else ", stopped: it cannot win any more"
            say(f"baseline {TITLES[baseline.name]}: {baseline.seconds:.1f} s{stopped}")
        found[baseline.name] = baseline
    if {MAJORITY} == found.keys() < set(context.baselines):
        raise DeadlineError("no time was left for a baseline that looks at an item")
    return Opened(split, baselines.choosing or split, context, probed, tuple(found.values()))


def guard(candidate: Candidate, opened: Opened, terms: Terms) -> Verdict:
    """Return the tested verdict on a candidate; where transfer is not returned, the rival is.

    Args:
        candidate: What the search chose, or the obvious.
        opened: What it is compared with.
        terms: Margin, level and seed.
    """
    split, metric, rival = opened.split, opened.context.metric, opened.rival
    comparison = _compared(candidate.probabilities, rival.probabilities, opened, terms)
    domains = _domains(candidate.probabilities, rival.probabilities, opened)
    claimed = not 0 < len(domains) < CLAIM_FROM
    reference = None
    if opened.probed is not None and claimed:
        reference = _compared(candidate.probabilities, opened.probed, opened, terms).gap
    margin = default_margin(metric, comparison.n) if terms.margin is None else terms.margin
    decision = judge(comparison, margin=margin) if claimed else Decision.INCONCLUSIVE
    returned = decide(comparison, decision, margin, obvious=candidate.obvious)
    title = TITLES[rival.returned] + ("" if rival.choice else ", fixed beforehand")
    told = sentence(comparison, decision, margin=margin, baseline=title, images=split.images)
    if not claimed:
        told = too_few_sentence(comparison, domains, baseline=title)
    test, rounds = comparison.test, rounds_of(candidate.probabilities)
    return Verdict(
        decision=decision,
        basis=split.basis,
        sentence=told,
        returned=returned,
        test=test,
        baselines=tuple(_shown(b, opened) for b in opened.baselines),
        best_baseline=rival.name,
        gap=comparison.gap,
        minimum_detectable=comparison.minimum_detectable,
        gap_reference=reference,
        returned_baseline="" if returned == "transfer" else rival.returned,
        returned_test=test.value if returned == "transfer" else comparison.rival,
        remarks=() if returned == "transfer" else _why(rival, metric),
        competed=candidate.competed,
        optimism=(
            candidate.validation - test.value if candidate.optimism is None else candidate.optimism
        ),
        looks=terms.looks,
        mcnemar=comparison.mcnemar,
        calibration_error=float(np.mean([calibration_error(p, split.labels) for p in rounds])),
        competition_bound=_bound(candidate, opened, terms),
        domains=domains,
        units=split.images if split.grouped else "",
    )


def _why(rival: TrainedBaseline, metric: Metric) -> tuple[str, ...]:
    """Return why this baseline is returned, where the table of baselines does not say."""
    choice = rival.choice
    if choice is None:
        return ("no time was left to choose among the baselines, so one was fixed beforehand",)
    title, (best, mixed) = TITLES[choice.best], choice.scores
    scores = f"{metric.display(best):.3f} against {metric.display(mixed):.3f} out of fold"
    if choice.alone == MAJORITY != choice.best:
        return ("the class shares are returned: no baseline that looks at items does better",)
    if best <= mixed or (choice.alone and not choice.clearly):
        return ()
    if choice.clearly:
        return (
            f"{title} is returned alone: it is better than the baselines together, weighted, by "
            f"two standard errors ({scores}); the score of what is returned is that of choosing "
            "so by other items",
        )
    return (
        f"the baselines together are returned, though {title} alone looks better ({scores}): by "
        "less than two standard errors, and of several baselines one is always the luckiest",
    )


def _probed(
    source: Source, context: LabelledContext, train: ImageSet, tested: ImageSet
) -> Predictions:
    """Return what the reference arm says: ridge on the last stage of the default source."""
    reader, num_classes = context.readers[source], len(train.class_names)
    head = fit_ridge(reader(train), train.labels, num_classes)
    probe = HeadPredictor(head, reader.num_stages)
    return logit_adjusted(predicted(probe, tested, reader, num_classes), context.class_weights)


def _compared(
    finalist: Predictions, other: Predictions, opened: Opened, terms: Terms
) -> Comparison:
    split, metric = opened.split, opened.context.metric
    if split.domains is not None:
        scores = _domains(finalist, other, opened)
        return compare_domains(metric, scores, level=terms.level, inflation=split.inflation)
    return compare(
        metric,
        split.labels,
        finalist,
        other,
        units=split.units,
        level=terms.level,
        inflation=split.inflation,
        seed=terms.seed,
    )


def _domains(finalist: Predictions, other: Predictions, opened: Opened) -> tuple[DomainScore, ...]:
    """Return the scores of both on each left-out domain; none where items are the unit."""
    split = opened.split
    if split.domains is None:
        return ()
    return domain_scores(opened.context.metric, split.labels, finalist, other, split.domains)


def _shown(baseline: TrainedBaseline, opened: Opened) -> Baseline:
    """Return a baseline with its score; of one that was stopped, on its first division."""
    labels, said = opened.split.labels, baseline.probabilities
    if not baseline.whole:
        said = baseline.validated
        labels = opened.chosen_by.labels[: len(said)]
    score = mean_score(opened.context.metric, labels, said)
    return Baseline(baseline.name, score, baseline.seconds, whole=baseline.whole)


def _bound(candidate: Candidate, opened: Opened, terms: Terms) -> float | None:
    split = opened.split
    if split.basis != OUT_OF_FOLD or not candidate.trials or split.domains is not None:
        return None
    return competition_bound(
        opened.context.metric,
        split.labels,
        candidate.trials,
        opened.rival.probabilities,
        split.units,
        seed=terms.seed,
        level=terms.level,
    )
