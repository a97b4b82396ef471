"""A target without labels: learnt from labelled source images, chosen by validators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from typing_extensions import override

from autotransfer.errors import BudgetExhaustedError, InvalidOptionError
from autotransfer.models.catalogue import Sources
from autotransfer.models.open_set import OpenSet
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.report import Material
from autotransfer.results import (
    Baseline,
    Decision,
    OpenWorld,
    Outcome,
    ParamValue,
    Ranking,
    Record,
    ScenarioKind,
    Skipped,
    Verdict,
)
from autotransfer.scenarios.base import Candidates, Judged, Scenario, Searched
from autotransfer.scenarios.clock import POOL_SHARE
from autotransfer.scenarios.inputs import within_limits
from autotransfer.scenarios.run import Request, Run
from autotransfer.scenarios.unlabelled.arms import (
    arms_without_labels,
    complete_among,
    reads_target,
)
from autotransfer.scenarios.unlabelled.audit_step import with_audit
from autotransfer.scenarios.unlabelled.consensus import Candidate, Choice, decide, sentence_of
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem, open_problem
from autotransfer.scenarios.unlabelled.intermediate_domains import (
    DomainPath,
    choose_domain_path,
    common_source,
    left_out,
    pretrained,
)
from autotransfer.scenarios.unlabelled.open_world import (
    judging_among,
    look_and_remember,
    open_world_sentences,
    rejected_among,
    weighed_shares,
    with_open_set_audit,
    without_rejected,
)
from autotransfer.scenarios.unlabelled.ranking import rank_without_labels
from autotransfer.scenarios.unlabelled.report import domain_names, material_without_labels
from autotransfer.scenarios.unlabelled.trials import (
    METRIC,
    UnlabelledContext,
    affordable_share,
    answers_of,
)
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint
from autotransfer.search.obvious import last_resort

SEARCH_SHARE = 0.9  # of the seconds; the rest is for saving, the report and MLflow
SOURCE_ONLY = "source-only"
_SHARE = "share of the images"  # that is read; kept, as trials are compared on the same images


class Unlabelled(Scenario[UnlabelledContext, Choice]):
    """A target without labels, beside labelled source images of the same classes.

    Args:
        problem: Both domains, the sources and their features.
    """

    kind = ScenarioKind.UNLABELLED
    search_share = SEARCH_SHARE
    differing = "other images or another seed"
    _open_set: OpenSet | None = None

    def __init__(self, problem: UnlabelledProblem, request: Request) -> None:
        self.problem, self.request = problem, request
        self.name, self.class_names = problem.name, problem.class_names
        self.metric, self.readers = METRIC, problem.readers
        self.items, self.notes = problem.source.learn, problem.notes
        self.provenance = {
            "target": problem.target.learn.fingerprint,
            "source_data": problem.source.learn.fingerprint,
        }

    @classmethod
    def open(cls, target: Any, request: Request) -> Unlabelled:
        """Return the scenario of a target whose labels, if it has any, stay unread.

        Raises:
            AutotransferError: If target, source images or options cannot be used.
        """
        return cls(open_problem(target, request.options, request.registry), request)

    @cached_property
    @override
    def sources(self) -> Sources:
        return within_limits(self.problem.sources, self.readers, self.items, self.request.options)

    @property
    @override
    def depth(self) -> int | None:
        return self.problem.target.learn.depth  # what is predicted looks like the target

    @property
    @override
    def identity(self) -> list[Any]:
        return [self.problem.fingerprint, self.request.options.seed]

    @property
    @override
    def fingerprint(self) -> str:
        return self.problem.fingerprint

    @property
    @override
    def parameters(self) -> dict[str, ParamValue]:
        return {
            "num_images": len(self.problem.target.learn),
            "num_source_images": len(self.items),
            "num_classes": len(self.class_names),
        }

    @override
    def rank(
        self, estimators: Sequence[str] = (), *, racing: bool = True, due: float | None = None
    ) -> tuple[Ranking, list[Skipped]]:
        options, kind = self.request.options, self.items.modality.plural
        if estimators:
            raise InvalidOptionError(
                "estimators are for targets with labels; without them sources are ranked by their "
                "accuracy on source images and the distance of the domains"
            )
        options.say(f"ranking {len(self.sources.sources)} sources by source {kind}")
        return rank_without_labels(
            self.problem, self.sources, seed=options.seed, max_sources=options.max_sources, due=due
        )

    @override
    def candidates(self, ranking: Ranking, run: Run) -> Candidates:
        hurried = self._keep_affordable(ranking, run)
        self._domain_path = self._chosen_path(ranking)
        self._open_world = None if hurried else self._looked_at(ranking, run)
        options, registry, problem = self.request.options, self.request.registry, self.problem
        by_name = {source.name: source for source in self.sources.sources}
        names = self.request.strategies_for(self.kind)
        arms, skipped = arms_without_labels(
            [by_name[name] for name in ranking.shortlist],
            [registry.strategy(name) for name in names],
            self.request.preset,
            num_images=len(self.items),
            num_classes=len(self.class_names),
            no_path=self._domain_path.refused,
            modality=self.items.modality,
            named=options.strategies,
        )
        task = TaskInfo(arms.sources[0], self.kind, len(self.items), len(self.class_names))
        last = last_resort(registry.strategies.values(), task, arms.spaces)
        skipped += left_out(problem.domains, self._domain_path)
        return Candidates(arms, last if hurried else (), last, skipped=tuple(skipped))

    @override
    def answered(self, candidates: Candidates) -> Callable[[Sequence[Outcome]], bool]:
        strategies = _strategies(candidates)
        # whether a trial that ignores the target is there to compare with
        return lambda outcomes: any(
            not reads_target(strategies[o.strategy]) for o in complete_among(outcomes, strategies)
        )

    @override
    def context(self, candidates: Candidates) -> UnlabelledContext:
        return UnlabelledContext(
            self.problem.source,
            without_rejected(self.problem.target, self._open_set, self.readers),
            self.class_names,
            self.readers,
            candidates.arms.sources,
            self.request.options.seed,
            self._domain_path,
            weighed_shares(self._open_world, self.problem.source.learn),
            judging_among(self.problem.target.held_out, self._open_set, self.readers),
        )

    @override
    def num_trials(self, run: Run) -> int | None:
        """Return the limit; once labels were asked for, nothing more is tried."""
        return super().num_trials(run) if run.study.recall("audit") is None else 0

    @override
    def choose(self, searched: Searched[UnlabelledContext], run: Run) -> Choice:
        strategies = _strategies(searched.candidates)
        complete = complete_among(searched.outcomes, strategies)
        candidates = [
            Candidate(
                number=outcome.number,
                source=outcome.source,
                strategy=outcome.strategy,
                adapts=reads_target(strategies[outcome.strategy]),
                priority=strategies[outcome.strategy].priority,
                optimises=strategies[outcome.strategy].optimises,
                scores=outcome.validators,
                answers=answers_of(outcome, run.place),
                fault=outcome.reason,
                shifts_source_features=strategies[outcome.strategy].shifts_source_features,
            )
            for outcome in complete
        ]
        if all(candidate.adapts for candidate in candidates):
            reasons = dict.fromkeys(o.reason for o in searched.outcomes if o.reason)
            raise BudgetExhaustedError(
                "no trial that ignores the target finished within the budget, so there is nothing "
                "to compare with" + "".join(f"\n  {reason}" for reason in reasons)
            )
        num_source = len(self.problem.source.held_out)
        judging = searched.context.judging
        return decide(candidates, len(self.class_names), num_source=num_source, judging=judging)

    @override
    def judge(
        self, finalist: Choice, searched: Searched[UnlabelledContext], run: Run
    ) -> Judged[Choice]:
        baseline = _outcome_of(searched, finalist.baseline.number)
        verdict = Verdict(
            decision=Decision.UNVERIFIED,
            basis="validators",
            sentence=sentence_of(finalist, self.items.modality.plural),
            returned="baseline" if finalist.chosen is finalist.baseline else "transfer",
            baselines=(Baseline(SOURCE_ONLY, None, baseline.seconds),),
            best_baseline=SOURCE_ONLY,
        )
        held_out = self.problem.target.held_out
        rejected = partial(rejected_among, held_out, self._open_set, self.readers)
        verdict, audit = with_audit(
            verdict, finalist, held_out, self.class_names, run, rejected=rejected
        )
        returned = finalist.baseline if verdict.returned == "baseline" else finalist.finalist
        assert returned is not None
        told = {"baseline": f"trial {baseline.number}", "returned": f"trial {returned.number}"}
        if self._domain_path.sentence:
            told["through"] = self._domain_path.sentence
        return Judged(
            verdict,
            self._checkpoint(searched, run, returned.number),
            finalist,
            _outcome_of(searched, (finalist.finalist or finalist.baseline).number),
            faults=finalist.faults,
            provenance=told,
            open_world=with_open_set_audit(self._open_world, audit),
        )

    @override
    def material(
        self, searched: Searched[UnlabelledContext], judged: Judged[Choice], run: Run
    ) -> Callable[[Record], Material]:
        choice, both = judged.finalist, (self.problem.source, self.problem.target)
        parts = dict(zip(domain_names(self.items.modality), both, strict=True))
        read = partial(self._checkpoint, searched, run)

        def gathered(record: Record) -> Material:
            """Return both domains, before and after adapting."""
            predictors = {SOURCE_ONLY: read(choice.baseline.number)}
            if choice.finalist is not None:
                predictors[f"after {choice.finalist.strategy}"] = read(choice.finalist.number)
            return material_without_labels(
                record, self.readers, parts, judged.kept, predictors=predictors
            )

        return gathered

    def _keep_affordable(self, ranking: Ranking, run: Run) -> bool:
        """Read fewer images where there is no time for all with one source; return whether so."""
        share, problem, seed = run.study.recall(_SHARE), self.problem, run.options.seed
        if share is None:
            reader = self.readers[common_source(self.sources.sources, ranking.shortlist)]
            share = affordable_share(problem, reader, run.clock.deadline(POOL_SHARE))
            run.study.remember(_SHARE, share)
        if share < 1:
            source, target = problem.source.fewer(share, seed), problem.target.fewer(share, seed)
            run.study.note_forced(
                f"{len(source.learn)} source and {len(target.learn)} target "
                f"{self.items.modality.plural} were learnt "
                "from: no time was left for more"
            )
            self.problem = replace(problem, source=source, target=target)
            self.items = source.learn
        return bool(share < 1)

    def _looked_at(self, ranking: Ranking, run: Run) -> OpenWorld | None:
        """Return what seems to be in the target; None where no pretrained source can say."""
        networks = pretrained(self.sources.sources, ranking.shortlist)
        if not networks:
            return None
        options = self.request.options
        found, self._open_set = look_and_remember(run.study, self.problem, networks, options.seed)
        for sentence in open_world_sentences(found, self.class_names, self.items.modality):
            options.say(sentence)
        return found

    def _chosen_path(self, ranking: Ranking) -> DomainPath:
        """Return the path through the intermediate images; the direct one where there are none."""
        options, problem = self.request.options, self.problem
        if not problem.domains:
            return DomainPath()
        common = common_source(self.sources.sources, ranking.shortlist)
        options.say(
            f"comparing {len(problem.domains)} intermediate set(s) as {common.name} sees them"
        )
        found = choose_domain_path(
            problem.domains,
            problem.source.learn,
            problem.target.learn,
            self.readers[common],
            seed=options.seed,
        )
        options.say(found.refused or f"going through {found.sentence}")
        return found

    def _checkpoint(
        self, searched: Searched[UnlabelledContext], run: Run, number: int
    ) -> Checkpoint:
        """Return the predictor of a trial."""
        folder = run.place.trial_folder(_outcome_of(searched, number))
        found = read_checkpoint(folder, self.request.registry)
        return replace(found, seen=self.problem.seen, open_set=self._open_set)


def _strategies(candidates: Candidates) -> dict[str, Strategy]:
    """Return the strategies whose outcomes may be returned."""
    last = (point.strategy for point in candidates.last_resort)
    return {strategy.name: strategy for strategy in (*candidates.arms.strategies, *last)}


def _outcome_of(searched: Searched[UnlabelledContext], number: int) -> Outcome:
    return next(outcome for outcome in searched.outcomes if outcome.number == number)
