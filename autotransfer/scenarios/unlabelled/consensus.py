"""The gated consensus: which predictor to return when no target label was seen.

No label-free score is safe alone, least of all across methods. So gates come first; within a
method those validators decide that it does not optimise; across methods the priority does, unless
all families of validators contradict it; and source-only is replaced only where two families of
validators agree that it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.ranks import average_ranks
from autotransfer.scenarios.unlabelled.validators.ensemble_agreement import (
    ensemble_agreement,
    plurality,
)
from autotransfer.scenarios.unlabelled.validators.source_accuracy import keeps_source

WITHIN = ("infomax", "bnm", "class-ami", "mixval")  # decide within a method
ACROSS = ("ensemble-agreement", "circular")  # decide among methods of one priority
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "ensemble agreement": ("ensemble-agreement",),
    "circular validation": ("circular",),
    "MixVal": ("mixval",),
    "ClassAMI": ("class-ami",),
    "certainty and diversity": ("infomax", "bnm"),
}
LEAST_FAMILIES = 2
LEAST_VOTERS = 3  # strategies, for a vote
LEAST_GAIN = 0.01  # of a validator; on a few hundred images less is noise
MUCH_CHANGED = 0.5  # share of the images on which finalist and source-only differ
_PENALTY = 1.0  # of the search score, for what a gate refuses
_ADVICE = "no target label was seen, so nothing here proves it; label a few {} to find out"


@dataclass(frozen=True)
class Candidate:
    """One finished trial, as the consensus sees it.

    Args:
        adapts: Whether it learned from target images.
        priority: Its place among the methods, lower first.
        optimises: Validators that do not judge it.
        answers: (n,) class of each held-out target image.
        fault: Why a gate refuses it; empty where none does.
        shifts_source_features: Whether accuracy on source images says little about it.
    """

    number: int
    source: str
    strategy: str
    adapts: bool
    priority: int
    optimises: frozenset[str]
    scores: Mapping[str, float]
    answers: NDArray[np.int64] = field(repr=False)
    fault: str = ""
    shifts_source_features: bool = False


@dataclass(frozen=True)
class Choice:
    """What the consensus decided.

    Args:
        chosen: The candidate to return.
        baseline: The source-only candidate it was compared with.
        finalist: The best candidate that adapts; None where none passed the gates.
        preferring: Families of validators that prefer the finalist to source-only.
        opposing: Families that prefer source-only.
        changed: Share of the held-out images that judge on which the two differ.
        refused: Why the finalist does not replace source-only; empty where it does.
        faults: Why candidates were refused at the gates, by trial number.
    """

    chosen: Candidate
    baseline: Candidate
    finalist: Candidate | None
    preferring: tuple[str, ...]
    opposing: tuple[str, ...]
    changed: float
    refused: str
    faults: Mapping[int, str]


def label_free_score(
    scores: Mapping[str, float], optimised: Iterable[str], num_classes: int, *, fault: bool
) -> float:
    """Return the mean of the validators that may judge a method, for the sampler.

    It compares trials of one method; across methods the consensus decides, not this.

    Args:
        scores: Value of each validator.
        optimised: Validators that do not judge the method.
        num_classes: K; InfoMax is divided by its largest value, log K.
        fault: Whether a gate refuses the trial; it then scores below all that pass.
    """
    scaled = {**scores, "infomax": scores["infomax"] / np.log(num_classes)}
    usable = [scaled[name] for name in WITHIN if name in scaled and name not in set(optimised)]
    return float(np.mean(usable)) - (_PENALTY if fault else 0.0)


def decide(
    candidates: Sequence[Candidate],
    num_classes: int,
    *,
    num_source: int,
    judging: Sequence[bool] | None = None,
) -> Choice:
    """Return what to return.

    Args:
        candidates: Every complete trial; at least one does not adapt.
        num_classes: K.
        num_source: Number of held-out source images.
        judging: (n,) which of the held-out target images judge; None for all.

    Raises:
        ValueError: If there is no source-only candidate.
    """
    plain = [candidate for candidate in candidates if not candidate.adapts]
    if not plain:
        raise ValueError("a consensus needs a candidate that does not adapt")
    gated = [_gated(candidate, plain, num_source) for candidate in candidates if candidate.adapts]
    passed = [candidate for candidate in gated if not candidate.fault]
    read = slice(None) if judging is None else np.array(judging)
    voted = _with_agreement([*plain, *passed], num_classes, read)
    plain, passed = voted[: len(plain)], voted[len(plain) :]
    baseline = _best(plain, ("source-accuracy", *WITHIN, *ACROSS))
    faults = {
        candidate.number: candidate.fault for candidate in [*plain, *gated] if candidate.fault
    }
    finalist = _finalist(passed)
    if finalist is None:
        reason = "no adapted candidate passes the gates" if gated else "nothing was adapted"
        return Choice(baseline, baseline, None, (), (), 0.0, reason, faults)
    preferring, opposing = _families(finalist, baseline)
    changed = float((finalist.answers != baseline.answers)[read].mean())
    refused = _reason_to_stay(preferring, opposing, changed)
    chosen = baseline if refused else finalist
    return Choice(chosen, baseline, finalist, preferring, opposing, changed, refused, faults)


def _gated(candidate: Candidate, plain: Sequence[Candidate], num_source: int) -> Candidate:
    """Return the candidate with the first fault that a gate finds."""
    if candidate.fault or candidate.shifts_source_features:
        return candidate
    same = [other for other in plain if other.source == candidate.source] or list(plain)
    before = max(other.scores["source-accuracy"] for other in same)
    accuracy = candidate.scores["source-accuracy"]
    if keeps_source(accuracy, before, num_source):
        return candidate
    return replace(
        candidate, fault=f"it forgets the source: accuracy {accuracy:.3f} after {before:.3f}"
    )


def _with_agreement(
    candidates: Sequence[Candidate], num_classes: int, read: NDArray[np.bool_] | slice
) -> list[Candidate]:
    """Return the candidates with their agreement with the vote; each strategy has one vote.

    Two voters that differ make no plurality, so from three strategies on.
    """
    strategies = [candidate.strategy for candidate in candidates]
    if len(set(strategies)) < LEAST_VOTERS:
        return list(candidates)
    weights = np.array([1 / strategies.count(name) for name in strategies])
    sane = np.array([not candidate.fault for candidate in candidates])
    weights = np.where(sane, weights, 0.0) if sane.any() else weights
    answers = np.stack([candidate.answers[read] for candidate in candidates])
    vote = plurality(answers, num_classes, weights)
    return [
        replace(c, scores={**c.scores, "ensemble-agreement": ensemble_agreement(said, vote)})
        for c, said in zip(candidates, answers, strict=True)
    ]


def _finalist(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the best of the best of each method."""
    if not candidates:
        return None
    methods = dict.fromkeys(candidate.strategy for candidate in candidates)
    best = [_best([c for c in candidates if c.strategy == name], WITHIN) for name in methods]
    return across(best)


def across(best: Sequence[Candidate]) -> Candidate:
    """Return the method with the best priority, or one that all families prefer to it.

    Label-free scores compare methods badly: the vote leans to whatever resembles the others. What
    is known of the methods' robustness therefore goes first, and gives way only to a method that
    every family of validators prefers, of those that neither of the two optimises.
    """
    priority = min(candidate.priority for candidate in best)
    first = _best([c for c in best if c.priority == priority], ACROSS)
    better = [candidate for candidate in best if _all_prefer(candidate, first)]
    return min(better or [first], key=lambda candidate: (candidate.priority, candidate.number))


def _all_prefer(candidate: Candidate, other: Candidate) -> bool:
    """Return whether every family that neither of the two optimises prefers the candidate."""
    optimised = candidate.optimises | other.optimises
    judging = [f for f, members in FAMILIES.items() if not optimised & set(members)]
    preferring, _ = _families(replace(candidate, optimises=optimised), other)
    return len(judging) >= LEAST_FAMILIES and len(preferring) == len(judging)


def _best(candidates: Sequence[Candidate], validators: Sequence[str]) -> Candidate:
    """Return the candidate with the best mean rank; ties go to the better priority."""
    optimised = frozenset().union(*(candidate.optimises for candidate in candidates))
    usable = [name for name in validators if name not in optimised]
    ranks = np.zeros(len(candidates))
    for name in usable:
        values = [candidate.scores.get(name, -np.inf) for candidate in candidates]
        ranks += average_ranks([-value for value in values])
    order = sorted(
        range(len(candidates)),
        key=lambda i: (ranks[i], candidates[i].priority, candidates[i].number),
    )
    return candidates[order[0]]


def _families(finalist: Candidate, baseline: Candidate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the families that prefer the finalist, and those that prefer the other.

    A family that sees less than a point of difference, whose members disagree, or that the
    finalist optimises, prefers neither.
    """
    preferring, opposing = [], []
    for family, members in FAMILIES.items():
        if finalist.optimises & set(members):
            continue
        gains = [
            finalist.scores[name] - baseline.scores[name]
            for name in members
            if name in finalist.scores and name in baseline.scores
        ]
        if gains and min(gains) > LEAST_GAIN:
            preferring.append(family)
        elif gains and max(gains) < -LEAST_GAIN:
            opposing.append(family)
    return tuple(preferring), tuple(opposing)


def _reason_to_stay(preferring: Sequence[str], opposing: Sequence[str], changed: float) -> str:
    """Return why source-only is not replaced; empty where it is.

    Where as many families oppose the finalist as prefer it, source-only stays, unless the two
    differ on more than half of the images: then one of them is broken, and on the recorded
    shifts it was source-only. The figures are in `docs/unlabelled.md`.
    """
    if len(preferring) < LEAST_FAMILIES:
        named = " and ".join(preferring) or "no validator"
        return f"only {named} prefers it" if preferring else f"{named} prefers it"
    torn = len(opposing) == len(preferring) and changed <= MUCH_CHANGED
    if torn or len(opposing) > len(preferring):
        return f"{' and '.join(opposing)} oppose it"
    return ""


def sentence_of(choice: Choice, kind: str = "images") -> str:
    """Return the verdict as a sentence.

    Args:
        choice: What was decided.
        kind: The word for several items.
    """
    finalist, baseline = choice.finalist, choice.baseline
    plain = f"{baseline.strategy} on {baseline.source}"
    adapted = "" if finalist is None else f"{finalist.strategy} on {finalist.source}"
    if finalist is None:
        said = f"{plain} is returned, because {choice.refused}"
    elif choice.refused:
        said = f"{plain} is returned; {adapted} does not replace it, because {choice.refused}"
    else:
        against = f" ({' and '.join(choice.opposing)} against)" if choice.opposing else ""
        said = (
            f"{adapted} is returned: it passes the gates, {' and '.join(choice.preferring)} "
            f"prefer it to {plain}{against}, and it changes {100 * choice.changed:.0f} % of the "
            "answers"
        )
    beware = f". Beware: of source-only, {baseline.fault}" if baseline.fault else ""
    return f"unverified: {said}; {_ADVICE.format(kind)}{beware}"
