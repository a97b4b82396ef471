"""The record of a domain that was left out."""

from __future__ import annotations

from dataclasses import dataclass


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
