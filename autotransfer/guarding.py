"""The end of a fit for a labelled target: from the finalist to a verdict and what is returned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autotransfer.dividing import Division
from autotransfer.evaluation.labelled import predicted, weighted
from autotransfer.finishing import Finalist, Finishing
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines, TrainedBaseline
from autotransfer.guard.calibration import tempered
from autotransfer.guard.cause import cause_of
from autotransfer.guard.far_apart import source_distance
from autotransfer.guard.judging import Candidate, Terms, guard
from autotransfer.guard.ledger import level_of, look
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.guard.provenance import overlap_remark
from autotransfer.guard.restoring import UNTRAINED
from autotransfer.guard.stand import SEALED, Stand, out_of_fold_stand, sealed_stand
from autotransfer.problem import Source
from autotransfer.results import Decision, Outcome, Ranking, State, Verdict
from autotransfer.saved_predictor import Kept
from autotransfer.search.storage import STORAGE_FILE

INFLATION = 1.2  # of the variance of out-of-fold gaps; `docs/negative-transfer.md` has the figures


@dataclass(frozen=True)
class Guarding:
    """Tests the finalist, and decides what is returned.

    Args:
        finishing: Trains what is returned.
        division: Who is sealed, and who belongs together.
        reference: The default source.
        ranking: Where the cause of a negative verdict is looked for.
        target: Name of the target.
        deadline: `time.monotonic()` at which everything has to be done.
        shortlists: Returns the sources that would have been tried without each fold.
    """

    finishing: Finishing
    division: Division
    reference: Source
    ranking: Ranking
    target: str
    deadline: float | None
    shortlists: Callable[[], Sequence[Collection[str]]] = tuple

    def judged(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> tuple[Verdict, Kept]:
        """Return the verdict and the predictor that is returned because of it."""
        finishing, arena = self.finishing, self.finishing.arena
        kept = None if self.division.sealed is None else finishing.train(finalist, outcomes)
        stand = self._stand()
        candidate = self._candidate(finalist, outcomes, kept, stand)
        digests = [d for _, tested in stand.divisions for d in tested.digests]
        answers = candidate.probabilities.argmax(axis=1)
        ledger = finishing.place.workspace / STORAGE_FILE
        looks = look(ledger, digests, answers, finishing.place.name)
        chosen = finishing.chosen
        source = next(s for s in finishing.arms.sources if s.name == finalist.outcome.source)
        cache = BaselineCache(finishing.registry)
        baselines = Baselines(arena, source, cache, chosen.seed, self._due(finalist, kept))
        terms = Terms(chosen.margin, level_of(looks), looks, chosen.seed)
        judgement = guard(candidate, stand, arena, self.reference, baselines, terms, chosen.say)
        verdict = self._explained(judgement.verdict, finalist.outcome, outcomes, source)
        if verdict.returned == "transfer":
            return verdict, kept or finishing.train(finalist, outcomes)
        return verdict, self._baseline(judgement.baseline, baselines)

    def _due(self, finalist: Finalist, kept: Kept | None) -> float | None:
        """Return when the baselines have to be done: the finalist may yet have to be trained."""
        if self.deadline is None or kept is not None:
            return self.deadline
        folds = len(self.finishing.arena.divisions())
        return self.deadline - finalist.outcome.seconds / max(folds - 1, 1)

    def _stand(self) -> Stand:
        arena, division = self.finishing.arena, self.division
        if division.sealed is not None:
            return sealed_stand(arena.images, division.sealed, division.sealed_units)
        return out_of_fold_stand(arena.images, arena.folds, division.units, INFLATION)

    def _candidate(
        self,
        finalist: Finalist,
        outcomes: Sequence[Outcome],
        kept: Kept | None,
        stand: Stand,
    ) -> Candidate:
        arena, chosen = self.finishing.arena, self.finishing.chosen
        competed = sum(outcome.state is State.COMPLETE for outcome in outcomes)
        assert finalist.outcome.value is not None
        if kept is not None:
            (_, tested), num_classes = stand.divisions[0], len(arena.images.class_names)
            raw = predicted(kept.predictor, tested, arena.reader_of(kept.source), num_classes)
            said = tempered(weighted(raw, arena.class_weights), kept.temperature)
            return Candidate(said, {}, competed, finalist.outcome.value)
        trials = self.finishing.place.validations(outcomes)
        source_of = {outcome.number: outcome.source for outcome in outcomes}
        allowed = [
            {number for number in trials if source_of[number] in shortlist}
            for shortlist in self.shortlists()
        ]
        found = select_out_of_fold(
            trials,
            stand.folds,
            stand.labels,
            arena.metric,
            combine=chosen.ensemble,
            seed=chosen.seed,
            allowed=allowed,
        )
        return Candidate(found.probabilities, trials, competed, finalist.outcome.value)

    def _baseline(self, best: TrainedBaseline, baselines: Baselines) -> Kept:
        """Return a baseline, trained on all that is not sealed."""
        kept = None if self.division.sealed is None else best.kept
        kept = kept or baselines.trained(best)
        return replace(
            kept,
            seen=tuple(sorted(set(self.division.images.digests))),
            class_weights=self.finishing.class_weights,
        )

    def _explained(
        self,
        verdict: Verdict,
        outcome: Outcome,
        outcomes: Sequence[Outcome],
        source: Source,
    ) -> Verdict:
        metric = self.finishing.arena.metric
        remarks = [_competition(verdict, self.finishing.arena.metric.scale)]
        cause = ""
        if verdict.decision is Decision.NEGATIVE:
            row = next((r for r in self.ranking.rows if r.source == source.name), None)
            untrained = next((b.test for b in verdict.baselines if b.name == UNTRAINED), None)
            best = max(b.test for b in verdict.baselines if b.test is not None)
            distance = source_distance(self.finishing.arena, source, self.finishing.chosen.seed)
            found = cause_of(outcome, outcomes, row, untrained, best, metric, distance)
            cause = found.kind
            remarks.append(f"cause: {found.sentence}")
        if verdict.looks > 1:
            remarks.append(
                f"these pictures have tested {verdict.looks - 1} other model(s) before, so the "
                f"interval is one of {100 * (1 - 2 * level_of(verdict.looks)):.1f} %; new "
                "pictures would make it narrower"
            )
        remarks.append(overlap_remark(source, self.division.images.class_names, self.target))
        return replace(verdict, cause=cause, remarks=tuple(r for r in remarks if r))


def _competition(verdict: Verdict, scale: float) -> str:
    """Return how many trials competed, and what that made the validation score look like."""
    if verdict.optimism is None or not np.isfinite(verdict.optimism):
        return ""
    amount = scale * verdict.optimism
    where = "sealed test" if verdict.basis == SEALED else "out-of-fold test"
    side = "above" if amount >= 0 else "below"
    unit = " points" if scale != 1 else ""
    return (
        f"chosen from {verdict.competed} complete trial(s); the validation score that chose it "
        f"lies {abs(amount):.1f}{unit} {side} this {where}"
    )
