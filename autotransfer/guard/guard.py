"""The end of a fit for a labelled target: from the finalist to a verdict and what is returned."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autotransfer.data.holdout import Division
from autotransfer.errors import ReducedBudgetWarning
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.bootstrap import mean_score, rounds_of
from autotransfer.guard.cause import cause_of, source_distance
from autotransfer.guard.comparison import Candidate, Opened, Terms, guard, open_test
from autotransfer.guard.contamination import overlap_remark
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit, out_of_fold_split
from autotransfer.guard.ledger import level_of, look
from autotransfer.guard.promotion import Challenger
from autotransfer.guard.rechoice import Rechoice
from autotransfer.models.calibration import tempered
from autotransfer.models.metrics import Metric, metric_named
from autotransfer.models.predictors.baselines import TITLES, UNTRAINED
from autotransfer.models.scoring import logit_adjusted, predicted
from autotransfer.models.source import Source
from autotransfer.results import Decision, Outcome, Ranking, State, Verdict
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.finalists import Finalist, Finalists
from autotransfer.search.storage import STORAGE_FILE

INFLATION = 1.1  # of the variance of out-of-fold gaps; `docs/negative-transfer.md` has the figures


@dataclass(frozen=True)
class Judged:
    """The end of a test.

    Args:
        verdict: On the candidate that was tested last.
        challenger: What is returned, and what it says of the tested items.
    """

    verdict: Verdict
    kept: Checkpoint
    finalist: Finalist
    challenger: Challenger


@dataclass(frozen=True)
class _Entry:
    """A candidate, what it says of the tested items, and its predictor where it is trained."""

    finalist: Finalist
    candidate: Candidate
    kept: Checkpoint | None
    source: Source


@dataclass(frozen=True)
class Decided:
    """What a look has shown, before anything is trained because of it.

    Args:
        looked_at: How many candidates were looked at so far.
    """

    entry: _Entry
    verdict: Verdict
    opened: Opened
    baselines: Baselines
    looked_at: int = 1


@dataclass(frozen=True)
class Guard:
    """Tests the finalist, and decides what is returned.

    Args:
        division: Who is held out, and who belongs together.
        ranking: Where the cause of a negative verdict is looked for.
        deadline: `time.monotonic()` at which everything has to be done.
        shortlists: Returns the sources that would have been tried without each fold.
        margin: Gap that counts as no difference; None is that of the metric.
        end: `time.monotonic()` at which the fit ends, a comparison with the champion included.
        most_seconds: What each network from scratch may take; None is no limit.
    """

    finalists: Finalists
    division: Division
    reference: Source
    ranking: Ranking
    target: str
    deadline: float | None
    shortlists: Callable[[], Sequence[Collection[str]]] = tuple
    margin: float | None = None
    end: float | None = None
    most_seconds: float | None = None

    def decisions(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> Iterator[Decided]:
        """Yield what each look shows; the last one counts.

        Where the finalist is not supported, the obvious is tested in its place, which is a second
        look at the same items, before anything without a source is returned.
        """
        finalists, context = self.finalists, self.finalists.context
        split = self._split()
        first = self._entry(finalist, outcomes, split)
        cache = BaselineCache(finalists.registry)
        due = self._due(finalist, first.kept)
        choosing = self._rechoice.split if self.division.held_out is not None else None
        baselines = Baselines(
            context, first.source, cache, finalists.seed, due, choosing, self.most_seconds
        )
        reference = self._reference(split)
        opened = open_test(split, context, reference, baselines, finalists.say)
        verdict = self._look(first, opened)
        yield Decided(first, verdict, opened, baselines)
        second = finalists.second(finalist, outcomes)
        if verdict.returned == "baseline" and second is not None:
            finalists.say(f"not supported; testing {second.outcome.strategy} in its place")
            entry = self._entry(second, outcomes, split)
            found = self._look(entry, opened)
            remark = _replaced(finalist.outcome, verdict, context.metric)
            verdict = replace(found, remarks=(*found.remarks, remark))
            yield Decided(entry, verdict, opened, baselines, 2)

    def finished(
        self, decided: Decided, outcomes: Sequence[Outcome], *, late: bool = False
    ) -> Judged:
        """Return the verdict and the predictor that is returned because of it.

        Args:
            decided: What the last look has shown.
            outcomes: Everything that was tried.
            late: Whether no time is left: a baseline is then not trained again on all items.
        """
        finalists, entry = self.finalists, decided.entry
        verdict = self._explained(decided, outcomes, late=late)
        if verdict.returned == "transfer":
            kept = entry.kept or finalists.train(entry.finalist, outcomes)
            said = entry.candidate.probabilities
        else:
            kept = self._baseline(decided, late=late)
            said = decided.opened.rival.probabilities
        context, terms = finalists.context, self._terms(verdict.looks)
        # the tested items have chosen among those looked at and the rival, chosen without them
        terms = replace(terms, level=terms.level / (decided.looked_at + 1))
        challenger = Challenger(
            decided.opened.split, said, context, terms, finalists.registry, self.end
        )
        return Judged(verdict, kept, entry.finalist, challenger)

    def _entry(
        self, finalist: Finalist, outcomes: Sequence[Outcome], split: EvaluationSplit
    ) -> _Entry:
        """Return what a finalist says of the tested items."""
        finalists = self.finalists
        kept = None if self.division.held_out is None else finalists.train(finalist, outcomes)
        candidate = self._candidate(finalist, outcomes, kept, split)
        source = finalists.arms.source(finalist.outcome.source)
        return _Entry(finalist, candidate, kept, source)

    def _look(self, entry: _Entry, opened: Opened) -> Verdict:
        """Return the verdict on one candidate; every look at the items costs some error."""
        finalists, split = self.finalists, opened.split
        digests = [d for _, tested in split.divisions for d in tested.digests]
        answers = rounds_of(entry.candidate.probabilities).mean(axis=0).argmax(axis=1)
        ledger = finalists.place.workspace / STORAGE_FILE
        looks = look(ledger, digests, answers, finalists.place.name)
        return guard(entry.candidate, opened, self._terms(looks))

    def _terms(self, looks: int) -> Terms:
        return Terms(self.margin, level_of(looks), looks, self.finalists.seed)

    def _due(self, finalist: Finalist, kept: Checkpoint | None) -> float | None:
        """Return when the baselines have to be done: the finalist may yet have to be trained."""
        if self.deadline is None or kept is not None:
            return self.deadline
        folds = len(self.finalists.context.divisions())
        return self.deadline - finalist.outcome.seconds / max(folds - 1, 1)

    def _reference(self, split: EvaluationSplit) -> Source | None:
        """Return the default source, or None where reading it would take the baselines' time."""
        reader = self.finalists.context.readers[self.reference]
        missing = sum(map(reader.missing, split.divisions[0]))  # together they are all items
        if self.deadline is None or not missing:
            return self.reference
        seconds = missing * (reader.pace or self.finalists.context.readers.mean_pace or 0.0)
        return self.reference if 2 * seconds <= self.deadline - time.monotonic() else None

    def _split(self) -> EvaluationSplit:
        context, division = self.finalists.context, self.division
        if division.held_out is not None:
            # items that nothing has touched before
            pair, units = (context.images, division.held_out), division.held_out_units
            return EvaluationSplit((pair,), units, HELD_OUT_ITEMS)
        units, domains = division.units, division.domains
        return out_of_fold_split(context.images, context.folds, units, INFLATION, domains)

    @property
    def _rechoice(self) -> Rechoice:
        return Rechoice(self.finalists, self.division, self.shortlists)

    def _candidate(
        self,
        finalist: Finalist,
        outcomes: Sequence[Outcome],
        kept: Checkpoint | None,
        split: EvaluationSplit,
    ) -> Candidate:
        finalists, context = self.finalists, self.finalists.context
        competed = sum(outcome.state is State.COMPLETE for outcome in outcomes)
        obvious = {outcome.number for outcome in finalists.obvious(outcomes)}
        value, given = finalist.outcome.value, finalist.outcome.number in obvious
        assert value is not None
        if kept is not None:
            (_, tested), num_classes = split.divisions[0], len(context.images.class_names)
            raw = predicted(kept.predictor, tested, context.reader_of(kept.source), num_classes)
            said = tempered(logit_adjusted(raw, context.class_weights), kept.temperature)
            optimism = self._rechoice.optimism(finalist, outcomes)
            return Candidate(said, {}, competed, value, given, optimism)
        trials = finalists.candidates(outcomes)
        found = self._rechoice.of(finalist, outcomes, trials)
        return Candidate(found.rounds, trials, competed, value, given)

    def _baseline(self, decided: Decided, *, late: bool) -> Checkpoint:
        """Return the baseline, trained on all that is not held-out, or what its test has left."""
        best, out_of_fold = decided.opened.rival, self.division.held_out is None
        if late and out_of_fold:
            warnings.warn(
                f"no time was left to train the baseline {TITLES[best.returned]!r} on all search "
                "items; what is returned did not learn from the last fold",
                ReducedBudgetWarning,
                stacklevel=2,
            )
        taken = decided.opened.baselines if late or not out_of_fold else ()
        return replace(
            decided.baselines.trained(best, taken),
            seen=tuple(sorted(set(self.division.images.digests))),
            class_weights=self.finalists.class_weights,
        )

    def _explained(self, decided: Decided, outcomes: Sequence[Outcome], *, late: bool) -> Verdict:
        verdict, entry, opened = decided.verdict, decided.entry, decided.opened
        outcome, source = entry.finalist.outcome, entry.source
        context, metric = self.finalists.context, self.finalists.context.metric
        remarks = [*verdict.remarks, _competition(verdict, metric.scale)]
        cause = ""
        if verdict.decision is Decision.NEGATIVE:
            row = next((r for r in self.ranking.rows if r.source == source.name), None)
            if self.division.by_domain:  # accuracies within domains say nothing of an unseen one
                row = None
            said = (b.probabilities for b in opened.baselines if b.name == UNTRAINED and b.whole)
            labels, accuracy = opened.split.labels, metric_named("accuracy")
            found = cause_of(
                outcome,
                outcomes,
                row,
                next((mean_score(accuracy, labels, p) for p in said), None),
                next(b.test or 0.0 for b in verdict.baselines if b.name == verdict.best_baseline),
                metric=metric,
                accuracy=mean_score(accuracy, labels, entry.candidate.probabilities),
                num_tested=len(labels),
                distance=None if late else source_distance(context, source, self.finalists.seed),
            )
            cause = found.kind
            remarks.append(f"cause: {found.sentence}")
        if verdict.looks > 1:
            remarks.append(
                f"these items have tested {verdict.looks - 1} other model(s) before, so the "
                f"interval is one of {100 * (1 - 2 * level_of(verdict.looks)):.1f} %; new "
                "items would make it narrower"
            )
        remarks.append(overlap_remark(source, self.division.images.class_names, self.target))
        return replace(verdict, cause=cause, remarks=tuple(r for r in remarks if r))


def _replaced(outcome: Outcome, verdict: Verdict, metric: Metric) -> str:
    """Return what was tested first, and why it is not what the verdict is about."""
    gap = verdict.gap
    assert gap is not None
    digits = 1 if metric.reads_decisions else 3
    limits = (gap.value, gap.low, gap.high)
    value, low, high = (f"{metric.scale * limit:.{digits}f}" for limit in limits)
    return (
        f"the search chose {outcome.strategy} on {outcome.source}, which was not supported (gap "
        f"{value} {metric.unit}, 95 % interval {low} to {high}); what anybody would "
        "try first was tested in its place"
    )


def _competition(verdict: Verdict, scale: float) -> str:
    """Return how many trials competed, and what that made the validation score look like."""
    if verdict.optimism is None or not np.isfinite(verdict.optimism):
        return ""
    amount = scale * verdict.optimism
    side, unit = "lower" if amount >= 0 else "higher", " points" if scale != 1 else " nats"
    return (
        f"chosen from {verdict.competed} complete trial(s); chosen again by other items, the "
        f"validation score is {abs(amount):.1f}{unit} {side}"
    )
