"""Options of a fit that have no effect where nothing is trained."""

from __future__ import annotations

from autotransfer.errors import InvalidOptionError
from autotransfer.scenarios.options import Options, is_given

OF_A_FIT = (
    "budget", "trials", "seconds", "strategies", "space", "sampler", "executor", "workers",
    "ray_address", "refit", "ensemble", "single", "metric", "class_weights", "margin", "guard",
    "audit_labels", "warm_start", "keep_searching", "storage", "experiment", "register", "promote",
    "name", "report", "resume", "out", "on_part", "on_outcome",
)  # fmt: skip
_OF_DOMAINS = ("domain_column", "domains")  # that a ranking reads as well


def refuse_options_of_a_fit(options: Options, doing: str) -> None:
    """Refuse what a search, a test or a record of a fit would read.

    Args:
        options: What was given.
        doing: The name of the function that trains nothing.

    Raises:
        InvalidOptionError: Naming the option and what to do.
    """
    for name in OF_A_FIT if doing == "rank" else (*OF_A_FIT, *_OF_DOMAINS):
        if is_given(options, name):
            raise InvalidOptionError(
                f"{name} is for fit: {doing} trains nothing, so it would have no effect; "
                "leave it out"
            )
