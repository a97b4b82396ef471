"""The choice of a fit, made again on the items that validated by others of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.holdout import Division
from autotransfer.guard.bootstrap import mean_score
from autotransfer.guard.evaluation_split import OUT_OF_FOLD, EvaluationSplit
from autotransfer.guard.out_of_fold import ROUNDS, OutOfFold, select_out_of_fold
from autotransfer.models.calibration import tempered
from autotransfer.results import Outcome
from autotransfer.search.finalists import Finalist, Finalists


@dataclass(frozen=True)
class Rechoice:
    """Chooses again among what the candidates said in validation.

    Args:
        division: Who is held out, and who belongs together.
        shortlists: Returns the sources that would have been tried without each fold.
    """

    finalists: Finalists
    division: Division
    shortlists: Callable[[], Sequence[Collection[str]]]

    @property
    def split(self) -> EvaluationSplit:
        """Return what the search validated: where items are held out it chooses the rival."""
        divisions = tuple(self.finalists.context.divisions())
        return EvaluationSplit(divisions, self._units(), OUT_OF_FOLD)

    def of(
        self,
        finalist: Finalist,
        outcomes: Sequence[Outcome],
        trials: Mapping[int, NDArray[np.float64]],
        rounds: int = ROUNDS,
    ) -> OutOfFold:
        """Return what the choice says of each item, made by others.

        Args:
            finalist: What was chosen; it stays where it was fixed beforehand.
            outcomes: Everything that was tried.
            trials: (m, K) validation probabilities of each candidate, by its number.
            rounds: Number of partitions.
        """
        finalists, context = self.finalists, self.finalists.context
        obvious = {outcome.number for outcome in finalists.obvious(outcomes)}
        source_of = {outcome.number: outcome.source for outcome in outcomes}
        sizes = [len(validated) for _, validated in context.divisions()]
        allowed = finalist.alone_in(len(sizes)) or [
            {n for n in trials if source_of[n] in shortlist or n in obvious}
            for shortlist in (self.shortlists() if self.division.held_out is None else ())
        ]
        return select_out_of_fold(
            trials,
            np.repeat(np.arange(len(sizes)), sizes),
            context.validation_labels,
            finalists.terms(outcomes),
            allowed=allowed,
            units=self._units(),
            rounds=rounds,
        )

    def optimism(self, finalist: Finalist, outcomes: Sequence[Outcome]) -> float | None:
        """Return by how much validation flatters: its score less that of choosing again.

        None where what the finalist said is no longer there.
        """
        context, trials = self.finalists.context, self.finalists.candidates(outcomes)
        if not finalist.choice.weights.keys() <= trials.keys():
            return None
        labels, again = context.validation_labels, self.of(finalist, outcomes, trials, 1)
        said = tempered(finalist.choice.mix(trials), finalist.temperature)
        return context.metric.score(labels, said) - mean_score(
            context.metric, labels, again.rounds
        )

    def _units(self) -> NDArray[np.int64]:
        """Return what belongs together among the items that validated, in their order."""
        context = self.finalists.context
        if context.validation is not None:
            return np.arange(len(context.validation))
        validated = np.concatenate([fold.validation for fold in context.folds])
        units: NDArray[np.int64] = self.division.units[validated]
        return units
