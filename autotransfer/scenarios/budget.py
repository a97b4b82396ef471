"""How much a fit may spend, as a record or as a text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autotransfer.errors import InvalidOptionError
from autotransfer.scenarios.option_checks import check_number

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """How much a fit may spend: trials, without a time limit, seconds, or both; one is set.

    Args:
        trials: Number of trials, over all resumes; None is no limit.
        seconds: Wall time of the whole fit; None is no limit.
    """

    trials: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise InvalidOptionError("a budget needs trials, seconds or both")
        check_number("trials", self.trials)
        check_number("seconds", self.seconds)

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Return the budget written as seconds ("90s", "10m", "2h") or trials ("40 trials").

        Raises:
            InvalidOptionError: If it is not understood, or out of range.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|trials?)?\s*", text)
        if match is None:
            raise InvalidOptionError(
                f"budget {text!r} is not understood; write '90s', '10m', '2h' or '40 trials'"
            )
        number, unit = match.group(1), match.group(2) or ""
        if unit.startswith("trial"):
            return cls(trials=int(float(number)))
        return cls(seconds=float(number) * _UNITS[unit])


DEFAULT_BUDGET = Budget(seconds=600.0)
