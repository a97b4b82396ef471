from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.conftest import MakeOutcome, MakeRecord

__all__ = ["HOSTILE", "MakeOutcome", "MakeRecord"]

HOSTILE = 'a,"b"\n<script>alert(1)</script> | *c* `d` ../e'


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for many tests: MLflow takes seconds to make the tables of a new store."""
    return tmp_path_factory.mktemp("store")
