"""What is of pandas, told without importing it: before somebody has, nothing is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = "pd.DataFrame"


def is_pandas(value: Any, name: str) -> bool:
    """Return whether a value is of a class of pandas, such as "DataFrame"."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, name))


def is_missing(value: Any) -> bool:
    """Return whether a single value is none: None, not a number, not a time, or pandas' NA."""
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        return bool(pandas.isna(value))
    return value is None or bool(value != value)


def is_scalar(value: Any) -> bool:
    """Return whether a value is one to pandas: a number, a text, a time, but no list."""
    import pandas as pd

    return bool(pd.api.types.is_scalar(value))


def as_column(values: Sequence[Any], table: Frame) -> pd.Series[Any]:
    """Return values as they are, as a column of a table."""
    import pandas as pd

    return pd.Series(values, table.index, dtype=object)
