"""Records of what more labels, and more time, would bring; they go to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A figure with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class More:
    """What so many further labels are expected to bring; accuracies in [0, 1].

    Args:
        labels: Number of further labels, drawn like those that there are.
        accuracy: With them.
        gain: Over the accuracy of today, from the same curves.
    """

    labels: int
    accuracy: Range
    gain: Range


@dataclass(frozen=True)
class Overtaking:
    """Where something else is expected to tell more items right than the probes do.

    Args:
        name: What it is, for people.
        labels: In all; None is not within twenty times the labels of today.
        likely: Share of the curves that cross within that.
    """

    name: str
    labels: int | None
    likely: float


@dataclass(frozen=True)
class LabelForecast:
    """What more labels would buy: the accuracy of probes on all sources against labels.

    Args:
        labels: Number n of labels that it rests on.
        tested: Number of items that it was measured on.
        sources: Number of sources that are read.
        sizes: (J,) numbers of labels at which the accuracy was measured.
        measured: (J,) accuracies, each the mean over random subsets.
        accuracy: With n labels.
        more: Some further numbers of labels.
        goal: An accuracy that is not reached yet.
        needed: Further labels to the goal; None is out of reach with these sources: the middle
            curve is not there with twenty times the labels of today.
        overtaken: By what, and where.
        settled: Labels in all that would settle an inconclusive verdict by these curves; None
            where it is settled, or where fifty times the labels would not do.
    """

    labels: int
    tested: int
    sources: int
    sizes: tuple[int, ...]
    measured: tuple[float, ...]
    accuracy: Range
    more: tuple[More, ...]
    goal: float
    needed: Range | None
    overtaken: tuple[Overtaking, ...] = ()
    settled: int | None = None


@dataclass(frozen=True)
class Stopped:
    """Why a search ended before its time; the gain is of the score, had it gone on."""

    reason: str
    expected_gain: float
