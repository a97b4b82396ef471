"""ESZSL on one source at the middle penalties: what a mean over sources is compared with."""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from autotransfer.plugin import Need, Task, Trial, zero_shot
from autotransfer_attribute_zero_shot.mean import MeanOfEszsl, MeanPredictor


class DefaultEszsl(MeanOfEszsl):
    """ESZSL on the last stage of the default source alone, at the middle penalties.

    It is not offered: on one source the penalties are worth choosing.
    """

    name = "default-eszsl"
    priority = 30
    needs = frozenset({Need.ATTRIBUTES})

    @override
    def fit(self, task: Task, trial: Trial) -> MeanPredictor:
        return super().fit(replace(task, companions=()), trial)

    @override
    def left_out(self, task: Task, trial: Trial) -> zero_shot.ClosedForm:
        return super().left_out(replace(task, companions=()), trial)
