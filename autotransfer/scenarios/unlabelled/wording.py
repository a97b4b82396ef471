"""What was decided without labels, in one sentence that claims no more than is known."""

from __future__ import annotations

from autotransfer.scenarios.unlabelled.consensus import Choice

_ADVICE = "no target label was seen, so nothing here proves it; label a few pictures to find out"


def sentence_of(choice: Choice) -> str:
    """Return the verdict as a sentence."""
    finalist, baseline = choice.finalist, choice.baseline
    plain = f"{baseline.strategy} on {baseline.source}"
    if finalist is None:
        return f"unverified: {plain} is returned, because {choice.refused}; {_ADVICE}" + _warning(
            choice
        )
    adapted = f"{finalist.strategy} on {finalist.source}"
    if choice.refused:
        return (
            f"unverified: {plain} is returned; {adapted} does not replace it, because "
            f"{choice.refused}; {_ADVICE}" + _warning(choice)
        )
    agreeing = " and ".join(choice.preferring)
    against = f" ({' and '.join(choice.opposing)} against)" if choice.opposing else ""
    return (
        f"unverified: {adapted} is returned: it passes the gates, {agreeing} prefer it to "
        f"{plain}{against}, and it changes {choice.changed:.0%} of the answers; {_ADVICE}"
        + _warning(choice)
    )


def _warning(choice: Choice) -> str:
    if not choice.baseline.fault:
        return ""
    return f". Beware: of source-only, {choice.baseline.fault}"
