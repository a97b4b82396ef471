from __future__ import annotations

import pytest

from tests.unit.transferability.samples import Sample, draw


@pytest.fixture
def sample() -> Sample:
    return draw(0)


@pytest.fixture
def wide_sample() -> Sample:
    return draw(1, n=24, d=50)
