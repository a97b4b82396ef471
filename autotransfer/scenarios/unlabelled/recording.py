"""What a fit without target labels found, as a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotransfer.results import (
    Baseline,
    Decision,
    Outcome,
    Ranking,
    Record,
    Seconds,
    Setting,
    Skipped,
    Verdict,
)
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.consensus import Choice, sentence_of
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.searching import METRIC
from autotransfer.search.run_folder import Place

SOURCE_ONLY = "source-only"


def record_of(
    place: Place,
    chosen: Options,
    problem: UnlabelledProblem,
    choice: Choice,
    ranking: Ranking,
    outcomes: Sequence[Outcome],
    skipped: Sequence[Skipped],
    caught: Sequence[str],
    seconds: Seconds,
) -> Record:
    """Return the record of a fit; its verdict is unverified."""
    finalist = outcome_of(outcomes, (choice.finalist or choice.baseline).number)
    baseline = outcome_of(outcomes, choice.baseline.number)
    verdict = Verdict(
        decision=Decision.UNVERIFIED,
        basis="validators",
        sentence=sentence_of(choice),
        returned="baseline" if choice.chosen is choice.baseline else "transfer",
        test=None,
        baselines=(Baseline(SOURCE_ONLY, None, baseline.seconds),),
        best_baseline=SOURCE_ONLY,
        gap=None,
        minimum_detectable=None,
        gap_reference=None,
        returned_test=None,
    )
    source = next(s for s in problem.sources.sources if s.name == finalist.source)
    return Record(
        name=place.name,
        setting=str(Setting.UNLABELLED),
        metric=METRIC,
        class_names=problem.class_names,
        seed=chosen.seed,
        verdict=verdict,
        finalist=finalist,
        ranking=ranking,
        outcomes=tuple(
            replace(outcome, reason=outcome.reason or choice.faults.get(outcome.number, ""))
            for outcome in outcomes
        ),
        skipped=tuple(skipped),
        seconds=seconds,
        model=str(place.folder),
        warnings=(*problem.notes, *dict.fromkeys(caught)),
        provenance={
            "target": problem.target.learn.fingerprint,
            "source_data": problem.source.learn.fingerprint,
            "source": source.fingerprint,
            "source.license": source.license,
            "source.origin": source.origin,
            "source.pretrained_on": source.pretrained_on,
            "baseline": f"trial {choice.baseline.number}",
        },
    )


def outcome_of(outcomes: Sequence[Outcome], number: int) -> Outcome:
    """Return the outcome of a trial."""
    return next(outcome for outcome in outcomes if outcome.number == number)
