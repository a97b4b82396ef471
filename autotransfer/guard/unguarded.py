"""The verdict of a fit that was told not to test: nothing was compared."""

from __future__ import annotations

from autotransfer.results import Decision, Verdict

UNGUARDED = Verdict(
    decision=Decision.UNVERIFIED,
    basis="nothing",
    sentence="nothing was tested, because the fit was told not to (guard=False)",
    returned="transfer",
    test=None,
    baselines=(),
    best_baseline="",
    gap=None,
    minimum_detectable=None,
    gap_reference=None,
    returned_test=None,
)
