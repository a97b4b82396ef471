"""The training loop: schedule, deadline, rungs and seeding, with a place for every method."""

from autotransfer.models.schedule import Limits, Schedule
from autotransfer.models.training import Cycle, Objective, Step, mixed, train

__all__ = ["train", "Schedule", "Limits", "Step", "Objective", "Cycle", "mixed"]
