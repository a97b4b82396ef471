"""A warm start: what did well in earlier fits is tried first, as an option that says so.

Only points are taken over, no weights and no scores. A fit that has learnt from items that are
held out here is left out: what it found has seen the answers of the test.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autotransfer.plugin.strategy import Strategy
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.arms import Arms
from autotransfer.search.study import Study

SEEN = "seen"  # digests of the items that a fit learns from, kept with its study
MOST_POINTS = 3
_DIGITS = 10  # of a digest; one of 5000 items agrees with one of 1000 others once in 200,000 fits
_HEAD = "digests"  # the first word of the text under `SEEN`; without it, earlier versions wrote
_BYTES = 8  # of a digest, one after the other in base 85


@dataclass(frozen=True)
class WarmStart:
    """The points of earlier fits that a study may begin with.

    Args:
        best: (name of the study, its best outcome that trained), the latest study first.
        refused: Names of studies that have seen held-out items, or do not say what they saw.
    """

    best: tuple[tuple[str, Outcome], ...]
    refused: tuple[str, ...]

    def points(self, arms: Arms) -> list[dict[str, ParamValue]]:
        """Return points in the study's words, as far as these arms have them."""
        found: list[dict[str, ParamValue]] = []
        for _, outcome in self.best:
            for point in _point(outcome, arms):
                if point not in found and len(found) < MOST_POINTS:
                    found.append(point)
        return found

    def sentence(self) -> str:
        """Return what was used and what was not, for people."""
        used = ", ".join(
            f"{name} ({outcome.strategy} on {outcome.source})" for name, outcome in self.best
        )
        text = f"warm start from {used}" if used else "warm start: no earlier fit can be used"
        if self.refused:
            text += (
                f"; not from {', '.join(self.refused)}, which may have learnt from items that "
                "are held out here"
            )
        return text


def packed_digests(digests: Sequence[str]) -> str:
    """Return digests in short, as words of one text, for `SEEN`."""
    return " ".join([_HEAD, *(digest[:_DIGITS] for digest in digests)])


def earlier_fits(
    studies: Mapping[str, Study], held_out: Sequence[str], *, metric: str, without: str
) -> WarmStart:
    """Return what can be learnt from the other studies of a storage.

    Args:
        studies: By name.
        held_out: Digests of the items that are held out in this fit.
        metric: Only studies with the same score are used.
        without: Name of the study at hand.
    """
    best, refused = [], []
    for name, study in reversed(list(studies.items())):
        problem = study.recall("problem")
        if name == without or problem is None or problem[1] != metric:
            continue
        seen = study.recall(SEEN)
        if seen is None or _is_among(held_out, seen):
            refused.append(name)
            continue
        outcome = _best(study.outcomes)
        if outcome is not None:
            best.append((name, outcome))
    return WarmStart(tuple(best), tuple(refused))


def _best(outcomes: Sequence[Outcome]) -> Outcome | None:
    trials = [
        outcome
        for outcome in outcomes
        if outcome.state is State.COMPLETE and not outcome.probe and outcome.value is not None
    ]
    return max(trials, key=lambda o: (o.value or 0.0, -(o.log_loss or 0.0)), default=None)


def _point(outcome: Outcome, arms: Arms) -> Iterator[dict[str, ParamValue]]:
    """Yield the point, on its own source where that is here, else on the first one."""
    strategy: Strategy | None = next(
        (s for s in arms.strategies if s.name == outcome.strategy), None
    )
    if strategy is None or not arms.spaces[strategy.name].contains(outcome.params):
        return
    names = [source.name for source in arms.sources]
    rank = names.index(outcome.source) + 1 if outcome.source in names else 1
    if arms.open(arms.sources[rank - 1], strategy):
        encoded = arms.spaces[strategy.name].encode(outcome.params, strategy.name)
        yield {"source_rank": rank, "strategy": strategy.name, **encoded}


def _is_among(digests: Sequence[str], text: str) -> bool:
    """Return whether one of these digests is in the text under `SEEN`."""
    head, *words = text.split(" ")
    if head == _HEAD:
        known, digits = set(words), _DIGITS
    else:
        content = base64.b85decode(text)
        starts = range(0, len(content), _BYTES)
        known, digits = {content[i : i + _BYTES].hex() for i in starts}, 2 * _BYTES
    return any(digest[:digits] in known for digest in digests)
