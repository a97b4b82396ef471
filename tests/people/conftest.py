"""People who meet the package for the first time: each test is one of them, and ends in images.

They are written to the test's own folder, or to `$AUTOTRANSFER_PICTURES` to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder of the images of a test."""
    folder = Path(os.environ.get("AUTOTRANSFER_PICTURES", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
