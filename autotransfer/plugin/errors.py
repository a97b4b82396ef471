"""The errors that a plugin raises or meets; a trial that raises one fails with its sentence."""

from autotransfer.errors import (
    AutotransferError,
    CutError,
    DeadlineError,
    ExportError,
    InvalidOptionError,
    InvalidSourceError,
    InvalidTargetError,
    UndefinedScoreError,
)

__all__ = [
    "AutotransferError",
    "CutError",
    "DeadlineError",
    "ExportError",
    "InvalidOptionError",
    "InvalidSourceError",
    "InvalidTargetError",
    "UndefinedScoreError",
]
