"""The training loop: schedule, deadline, rungs and seeding, with a place for every method."""

from autotransfer.models.batch_order import Cycle
from autotransfer.models.micro_batches import remark
from autotransfer.models.schedule import Limits, Schedule, keeps_batch_statistics
from autotransfer.models.training import Objective, Step, mixed, train

__all__ = [
    "train",
    "Schedule",
    "Limits",
    "Step",
    "Objective",
    "Cycle",
    "keeps_batch_statistics",
    "mixed",
    "remark",
]
