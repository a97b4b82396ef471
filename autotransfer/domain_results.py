"""The records of domains that were left out, and of images that are none of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autotransfer.forecasts import Range


@dataclass(frozen=True)
class DomainScore:
    """Scores on one domain, by what learnt from the others and was chosen by them.

    Args:
        name: Of the domain.
        n: Number of its items.
        test: Score of the finalist.
        rival: Score of the best that uses no source.
    """

    name: str
    n: int
    test: float
    rival: float


@dataclass(frozen=True)
class DomainAccuracies:
    """How a probe of one source does on each domain, learnt from the others.

    Args:
        by_domain: Accuracy by the name of the domain; at least one.
    """

    by_domain: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Return the mean over domains, each weighing the same."""
        return sum(self.by_domain.values()) / len(self.by_domain)

    @property
    def worst(self) -> str:
        """Return the name of the domain with the lowest accuracy."""
        return min(self.by_domain, key=lambda name: self.by_domain[name])

    @property
    def columns(self) -> dict[str, float | str]:
        """Return what a table shows of it."""
        worst = self.worst
        return {
            "mean_over_domains": self.mean,
            "worst_domain": worst,
            "on_worst_domain": self.by_domain[worst],
        }


@dataclass(frozen=True)
class UnknownImages:
    """How many images of a target without labels are none of the classes.

    Args:
        share: In [0, 1], with a 90 % interval; None where it is not told.
        rejected: Number of images that are more probably unknown than not.
        num_images: Number of all that were judged.
        doubt: Why it is not told; else empty.
        known_accuracy: Share of the images of the classes that are answered right and not
            rejected, by audit labels; None without, as the next two.
        recall: Share of the others that are rejected.
        harmonic: Harmonic mean of the two.
    """

    share: Range | None
    rejected: int = 0
    num_images: int = 0
    doubt: str = ""
    known_accuracy: Range | None = None
    recall: Range | None = None
    harmonic: Range | None = None

    def told_of(self, item: str = "image", items: str = "images") -> str:
        """Return it in one sentence.

        Args:
            item: The word for one item.
            items: The word for several.
        """
        if self.share is None:
            return f"how many {items} are none of the classes is not known: {self.doubt}"
        share = self.share
        if not share.low:
            return (
                f"no {item} has to be of another class than yours; up to "
                f"{100 * share.high:.0f} % may be, and none is rejected"
            )
        which = "which ones cannot be told, and none is rejected"
        if self.rejected:
            which = f"{self.rejected} of {self.num_images} are rejected, and teach nothing"
        return (
            f"{100 * share.value:.0f} % of your {items} seem to be none of the classes "
            f"({100 * share.low:.0f} % to {100 * share.high:.0f} %); {which}"
        )
