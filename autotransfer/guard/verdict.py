"""From a comparison to a verdict, to what is returned, and to one sentence for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from autotransfer.guard.bootstrap import TOLERANCE, Comparison
from autotransfer.guard.domains import CLAIM_FROM
from autotransfer.models.metrics import Metric
from autotransfer.results import Decision, DomainScore, Interval, Verdict

Returned: TypeAlias = Literal["transfer", "baseline"]

# The gap that is not worth having, by metric: a few hundred items can show that there is none.
# A mean over classes varies more, as some have few items; a log loss counts every probability.
MARGINS = {"accuracy": 0.02, "balanced_accuracy": 0.03, "f1_macro": 0.03, "log_loss": 0.05}
SURE_ENOUGH = 0.8  # share of resamples in which an unproven transfer must not be worse
# What is known beforehand of the gap between the obvious and the best baseline: mean and standard
# deviation over targets, in units of the score; `docs/negative-transfer.md` says from where.
PRIOR_POINTS = (0.10, 0.10)
PRIOR_NATS = (0.20, 0.20)

# The verdict of a fit that was told not to test.
UNGUARDED = Verdict(
    decision=Decision.UNVERIFIED,
    basis="nothing",
    sentence="nothing was tested, because the fit was told not to (guard=False)",
    returned="transfer",
)

NO_TIME = "no time was left for it; a larger --seconds (budget) leaves some"
INTERRUPTED = "the fit was interrupted"


def untested(reason: str) -> Verdict:
    """Return the verdict on what was not tested, with the reason in words."""
    return replace(UNGUARDED, sentence=f"nothing was tested: {reason}")


def default_margin(metric: Metric, n: int) -> float:
    """Return the gap that counts as no difference, in units of the score.

    That of the metric, or one item, whichever is more; a log loss knows no items.
    """
    margin = MARGINS[metric.name]
    return max(margin, 1 / n) if metric.reads_decisions else margin


def judge(comparison: Comparison, *, margin: float) -> Decision:
    """Return the verdict that the interval of the gap allows.

    Positive or negative where the interval of 95 % leaves out zero, neutral where that of 90 %
    lies within the margin: each of the two claims, that the gap is less than the margin and more
    than minus the margin, then errs in 5 % at most. Else inconclusive.

    Args:
        comparison: The gap and its intervals.
        margin: The gap that counts as no difference, in units of the score, from 0 on.
    """
    gap = comparison.gap
    if gap.low > TOLERANCE:
        return Decision.POSITIVE
    if gap.high < -TOLERANCE:
        return Decision.NEGATIVE
    if max(-comparison.narrow.low, comparison.narrow.high) <= margin + TOLERANCE:
        return Decision.NEUTRAL
    return Decision.INCONCLUSIVE


def decide(
    comparison: Comparison, decision: Decision, margin: float, *, obvious: bool = False
) -> Returned:
    """Return what the user gets: the transfer, or its rival where that is no worse.

    An inconclusive transfer is returned only if its gap is above zero and at least 80 % of the
    resamples find it no worse than the baseline by more than the margin. The obvious, which
    nothing was searched for, is returned where the gap is above zero in expectation, given the
    measured one and what is known beforehand: a few items that say nothing do not outweigh
    that pretrained features have nearly always been better than none.

    Args:
        comparison: The gap and its resamples.
        decision: What `judge` said.
        margin: The gap that counts as no difference, in units of the score.
        obvious: Whether the transfer is what anybody would try first.
    """
    if decision is Decision.INCONCLUSIVE and obvious:
        return "transfer" if expected_gap(comparison) > 0 else "baseline"
    if decision is Decision.INCONCLUSIVE:
        better = comparison.gap.value > TOLERANCE
        safe = comparison.probability_above(-margin) >= SURE_ENOUGH
        return "transfer" if better and safe else "baseline"
    return "transfer" if decision is Decision.POSITIVE else "baseline"


def expected_gap(comparison: Comparison) -> float:
    """Return the mean of the gap's posterior: a normal prior and a normal measurement.

    Args:
        comparison: The measured gap and its standard error.
    """
    points = comparison.metric.reads_decisions
    mean, deviation = PRIOR_POINTS if points else PRIOR_NATS
    noise = comparison.standard_error**2
    share = deviation**2 / (deviation**2 + noise)
    return share * comparison.gap.value + (1 - share) * mean


def labels_to_settle(comparison: Comparison, margin: float) -> int:
    """Return roughly how many labelled items would settle an inconclusive verdict.

    The detectable gap shrinks with the root of n; the number, to two digits, is the one at
    which it reaches the observed gap, or the margin where that is larger.
    """
    aim = max(abs(comparison.gap.value), margin, TOLERANCE)
    needed = comparison.n * (comparison.minimum_detectable / aim) ** 2
    needed = max(needed, comparison.n + 1)
    step = 10.0 ** max(0, math.floor(math.log10(needed)) - 1)
    return int(math.ceil(needed / step) * step)


def sentence(
    comparison: Comparison,
    decision: Decision,
    *,
    margin: float,
    baseline: str = "",
    images: str = "held-out items",
    subject: str = "",
    rival: str = "",
) -> str:
    """Return the verdict in one sentence for people, the figures first.

    Args:
        comparison: The gap and its intervals.
        decision: What `judge` said.
        margin: The gap that counts as no difference, in units of the score.
        baseline: What the rival is, for people.
        images: What the verdict rests on, in the plural.
        subject: What is compared, for people; empty for the transfer.
        rival: What it is compared with; empty for the best without a source.

    Raises:
        ValueError: If there is no sentence for the decision: `unverified` compares nothing.
    """
    metric, gap = comparison.metric, comparison.gap
    unit = metric.unit if metric.name == "accuracy" else f"{metric.unit} of {metric.title}"
    who = f"{subject}: " if subject else ""
    other = rival or "the best you would have got without a source"
    ground = f"{gap.n} {images}"
    known = f"{baseline}; " if baseline else ""

    def measured(over: str, limits: Interval, level: str) -> str:
        low, high = (_amount(metric, limit) for limit in (limits.low, limits.high))
        inside = f"{known}{level} {low} to {high}, {ground}"
        return f"{_signed(metric, gap.value)} {unit} {over} {other} ({inside})"

    match decision:
        case Decision.POSITIVE:
            return who + measured("over", gap, "95 %")
        case Decision.NEGATIVE:
            hurts = "" if rival else ": transfer hurts"
            return who + measured("against", gap, "95 %") + hurts
        case Decision.NEUTRAL:
            return (
                who
                + measured("against", comparison.narrow, "90 %")
                + f": no difference worth having, less than {_amount(metric, margin)} {unit}"
            )
        case Decision.INCONCLUSIVE:
            return (
                f"{who}{measured('against', gap, '95 %')}: open; so many show a gap of "
                f"{_amount(metric, comparison.minimum_detectable)} {unit} four times out of "
                f"five, about {labels_to_settle(comparison, margin)} would settle this one"
            )
    raise ValueError(f"there is no sentence for the decision {decision.value!r}")


def too_few_sentence(
    comparison: Comparison, scores: Sequence[DomainScore], *, baseline: str
) -> str:
    """Return what is known where there are too few domains for an interval, the figures first.

    Args:
        comparison: The mean gap.
        scores: Of each left-out domain.
        baseline: What the rival is, for people.
    """
    metric = comparison.metric
    unit = metric.unit if metric.name == "accuracy" else f"{metric.unit} of {metric.title}"
    gaps = sorted(score.test - score.rival for score in scores)
    inside = f"{_signed(metric, gaps[0])} to {_signed(metric, gaps[-1])}"
    return (
        f"{_signed(metric, comparison.gap.value)} {unit} against the best you would have got "
        f"without a source ({baseline}; {len(scores)} left-out domains, {inside}): open; fewer "
        f"than {CLAIM_FROM} domains carry no interval, so nothing is claimed of another one"
    )


def _signed(metric: Metric, difference: float) -> str:
    """Return a difference as `_amount` does, with a plus where it is above zero."""
    shown = _amount(metric, difference)
    return shown if float(shown) <= 0 else f"+{shown}"


def _amount(metric: Metric, difference: float) -> str:
    """Return a difference of scores as people read it: points with one digit, nats with three."""
    digits = 1 if metric.reads_decisions else 3
    shown = f"{metric.scale * difference:.{digits}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown
