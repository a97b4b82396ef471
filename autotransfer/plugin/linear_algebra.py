"""Small linear algebra: on one thread, from one decomposition."""

from autotransfer.models.linear_algebra import principal_axes
from autotransfer.models.single_thread import single_thread
from autotransfer.models.zero_shot.eszsl import Decomposition, solved

__all__ = ["single_thread", "Decomposition", "solved", "principal_axes"]
