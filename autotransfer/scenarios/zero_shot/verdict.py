"""From a permutation test of attribute rows to a verdict and one sentence for people."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autotransfer.results import Baseline, Decision, Interval, Verdict

HELD_OUT = "held-out classes"
HELD_OUT_ITEMS = "held-out items"
LEVEL = 0.025  # one side of 95 %
# Rows exchanged after the fit alone: random tables pass 2.5 % about five times too often.
LEVEL_WITHOUT_REFITS = 0.005
SURE_ENOUGH = 0.2  # share of exchanged tables that may do as well where nothing is proven
FEWEST_TESTED = 8  # held-out classes; with seven, random tables are claimed too often
FEWEST_ASSIGNMENTS = 80  # of rows to classes; with fewer no share of 2.5 % can be told
_POWER = 0.84  # standard errors for four times out of five

CHANCE = "chance"
EXCHANGED = "exchanged-rows"


@dataclass(frozen=True)
class Evidence:
    """What was measured on classes that nothing was learned from.

    Args:
        basis: `HELD_OUT` or `HELD_OUT_ITEMS`.
        score: Per-class top-1 with the true rows.
        low: Lower end of its 95 % interval over classes.
        high: Upper end.
        num_classes: Number of classes tested.
        chance: Expected score of guessing.
        null: (N,) scores with exchanged rows, the best candidate of each draw.
        null_mean: Mean score of the chosen candidate with exchanged rows.
        assignments: Number of ways to exchange the rows.
        nearest: Score of the nearest seen class.
        known: Classes among those tested that the source was trained on, by name.
        without_known: Score without them; None where fewer than two are left.
        own_head: Score of the source's own head; None where it knows fewer than two.
        pairs: Number of held-out pairs; 0 for held-out items.
        competitors: Number of further trials in the null.
        refitted: Whether rows were exchanged before anything was learned.
        kind: The word for several items.
    """

    basis: str
    score: float
    low: float
    high: float
    num_classes: int
    chance: float
    null: NDArray[np.float64] = field(repr=False)
    null_mean: float
    assignments: float
    nearest: float
    known: tuple[str, ...] = ()
    without_known: float | None = None
    own_head: float | None = None
    pairs: int = 0
    competitors: int = 0
    seconds: float = 0.0
    refitted: bool = True
    kind: str = "images"

    @property
    def level(self) -> float:
        """Return the share of exchanged tables that may do as well for a positive verdict."""
        return LEVEL if self.refitted or self.basis == HELD_OUT_ITEMS else LEVEL_WITHOUT_REFITS

    @property
    def p_value(self) -> float:
        """Return the share of exchanged tables, the true one counted in, that do as well."""
        return float((1 + (self.null >= self.score - 1e-12).sum()) / (1 + len(self.null)))

    @property
    def null_high(self) -> float:
        """Return the score that 97.5 % of the exchanged tables stay below."""
        return float(np.quantile(self.null, 1 - LEVEL))

    @property
    def testable(self) -> bool:
        """Return whether there are enough classes for a test."""
        enough = self.basis == HELD_OUT_ITEMS or self.num_classes >= FEWEST_TESTED
        return enough and self.assignments >= FEWEST_ASSIGNMENTS


def decide(evidence: Evidence) -> Decision:
    """Return the verdict.

    Positive where at most 2.5 % of the exchanged tables do as well and the interval over classes
    is above every baseline; negative where at least half of them do; else inconclusive.
    """
    if not evidence.testable:
        return Decision.INCONCLUSIVE
    best = max(evidence.chance, evidence.null_mean)
    if evidence.p_value <= evidence.level and evidence.low > best:
        return Decision.POSITIVE
    return Decision.NEGATIVE if evidence.p_value >= 0.5 else Decision.INCONCLUSIVE


def verdict_of(evidence: Evidence) -> Verdict:
    """Return the verdict; where it is not positive, transfer has to be likely to be returned."""
    decision = decide(evidence)
    likely = decision is Decision.INCONCLUSIVE and evidence.p_value <= SURE_ENOUGH
    returned = "transfer" if decision is Decision.POSITIVE or likely else "baseline"
    baselines = (
        Baseline(CHANCE, evidence.chance, 0.0),
        Baseline(EXCHANGED, evidence.null_mean, evidence.seconds),
    )
    rival = max(evidence.chance, evidence.null_mean)
    n, spread = evidence.num_classes, float(np.std(evidence.null))
    return Verdict(
        decision=decision,
        basis=evidence.basis,
        sentence=_sentence(evidence, decision),
        returned=returned,
        test=Interval(evidence.score, evidence.low, evidence.high, n),
        baselines=baselines,
        best_baseline=CHANCE if rival == evidence.chance else EXCHANGED,
        gap=Interval(evidence.score - rival, evidence.low - rival, evidence.high - rival, n),
        minimum_detectable=max(evidence.null_high - rival, 0.0) + _POWER * spread,
        returned_test=evidence.score if returned == "transfer" else evidence.chance,
    )


def _sentence(evidence: Evidence, decision: Decision) -> str:
    kind = evidence.kind
    measured = (
        f"{_percent(evidence.score)} of the {kind} of {_tested(evidence)} are named right "
        f"(95 % interval over classes {_percent(evidence.low)} to {_percent(evidence.high)}, "
        f"chance {_percent(evidence.chance)})"
    )
    null = f"97.5 % of the tables with exchanged rows stay below {_percent(evidence.null_high)}"
    if not evidence.testable:
        return f"{measured}; not tested: {_too_few(evidence)}"
    match decision:
        case Decision.POSITIVE:
            return f"{measured}; {null}: the attributes carry over to classes without {kind}"
        case Decision.NEGATIVE:
            return (
                f"{measured}, and {_percent(evidence.p_value)} of the tables with exchanged rows "
                "do as well: the attributes do not carry over"
            )
    return (
        f"{measured}; {null}: it stays open whether the attributes carry over to classes without "
        f"{kind}"
    )


def _tested(evidence: Evidence) -> str:
    if evidence.basis == HELD_OUT_ITEMS:
        return f"{evidence.num_classes} unseen classes"
    return (
        f"{evidence.num_classes} seen classes, held out two at a time and told apart by their "
        "attributes,"
    )


def _too_few(evidence: Evidence) -> str:
    if evidence.basis == HELD_OUT_ITEMS:
        return (
            f"the rows of {evidence.num_classes} unseen classes can be exchanged in "
            f"{evidence.assignments:g} ways only, too few for a test"
        )
    return (
        f"{evidence.num_classes} classes with {evidence.kind} are too few to test whether the "
        f"attributes carry over; at least {FEWEST_TESTED} are needed"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
