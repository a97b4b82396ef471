"""What a fit found, as one record."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autotransfer.errors import NegativeTransferWarning
from autotransfer.forecasts import LabelForecast
from autotransfer.guard.contamination import overlap_of_others
from autotransfer.masking import masked
from autotransfer.results import Decision, Record, Skipped, Stopped
from autotransfer.scenarios.base import Judged, Scenario, Searched
from autotransfer.scenarios.run import Run
from autotransfer.search.driver import STOPPED

FORECAST_SECONDS = 3.0  # of labels, without other work on the machine


def record_of(
    scenario: Scenario[Any, Any],
    searched: Searched[Any],
    judged: Judged[Any],
    unranked: Sequence[Skipped],
    run: Run,
) -> Record:
    """Return the record; a negative verdict warns."""
    verdict, outcome = judged.verdict, judged.outcome
    if verdict.decision is Decision.NEGATIVE:
        warnings.warn(verdict.sentence, NegativeTransferWarning, stacklevel=4)
    source = next(s for s in scenario.sources.sources if s.name == outcome.source)
    told = {(item.source, item.reason) for item in unranked}
    unsaid = [s for s in searched.candidates.skipped if (s.source, s.reason) not in told]
    if verdict.returned == "transfer" and verdict.test is not None:
        verdict = replace(verdict, remarks=(*verdict.remarks, *_overlap(judged, scenario)))
    zero_shot, stopped = judged.zero_shot, run.study.recall(STOPPED)
    return Record(
        name=run.place.name,
        scenario=str(scenario.kind),
        metric=scenario.metric,
        class_names=scenario.class_names if zero_shot is None else zero_shot.unseen,
        seed=run.options.seed,
        verdict=verdict,
        finalist=outcome,
        ranking=searched.ranking,
        outcomes=tuple(
            replace(o, reason=o.reason or judged.faults.get(o.number, ""))
            for o in searched.outcomes
        ),
        skipped=(*scenario.sources.skipped, *unranked, *unsaid),
        seconds=run.clock.seconds_of(scenario.readers),
        model=str(run.place.folder),
        run_id=run.tracker.open(),
        warnings=tuple(map(masked, (*scenario.notes, *dict.fromkeys(run.request.warnings)))),
        forced=run.study.forced,
        provenance={
            **scenario.provenance,
            "source": source.fingerprint,
            "source.license": masked(source.license),
            "source.origin": masked(source.origin),
            "source.pretrained_on": masked(source.pretrained_on),
            **_licences(judged, scenario),
            **judged.provenance,
        },
        zero_shot=zero_shot,
        members=judged.kept.members,
        stopped=None if stopped is None else Stopped(**stopped),
        depth=scenario.depth,
        forecast=_forecast(scenario, searched, judged, run),
        open_world=judged.open_world,
        modality=scenario.modality,
    )


def _forecast(
    scenario: Scenario[Any, Any], searched: Searched[Any], judged: Judged[Any], run: Run
) -> LabelForecast | None:
    """Return what more labels would buy; None where no time is left to find out."""
    closing = run.clock.closing(FORECAST_SECONDS)
    if run.clock.stopped or (closing is not None and time.monotonic() > closing):
        return None
    return scenario.label_forecast(searched.ranking, (judged.verdict, searched.outcomes))


def _overlap(judged: Judged[Any], scenario: Scenario[Any, Any]) -> list[str]:
    """Return what is to be said of the other sources of the answer; nothing in most cases."""
    names = {member.source for member in judged.kept.members} - {judged.outcome.source}
    others = [source for source in scenario.sources.sources if source.name in names]
    told = overlap_of_others(others, scenario.class_names, scenario.name) if others else ""
    return [told] if told else []


def _licences(judged: Judged[Any], scenario: Scenario[Any, Any]) -> dict[str, str]:
    """Return the licence of each source of an answer that is put together of several."""
    names = {member.source for member in judged.kept.members}
    sources = [source for source in scenario.sources.sources if source.name in names]
    if len(sources) < 2:
        return {}
    told = "; ".join(f"{source.name}: {source.license}" for source in sources)
    return {"members.licenses": masked(told)}
