from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from autotransfer.errors import DataWarning
from autotransfer.guard.ledger import level_of, look

IMAGES = [hashlib.sha256(bytes([i])).hexdigest() for i in range(10)]


def test_only_different_answers_count_as_a_look(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    first, second = np.zeros(10, dtype=np.int64), np.arange(10) % 2
    assert look(file, IMAGES, first, "a") == 1
    assert look(file, IMAGES, first, "again") == 1
    assert look(file, IMAGES, second, "b") == 2
    assert look(file, IMAGES, second, "b") == 2


def test_the_order_of_the_pictures_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    answers = np.arange(10) % 3
    assert look(file, IMAGES, answers, "a") == 1
    assert look(file, IMAGES[::-1], answers[::-1], "b") == 1


def test_new_pictures_dilute_old_looks(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    more = [hashlib.sha256(bytes([i])).hexdigest() for i in range(100, 140)]
    for i in range(3):
        look(file, IMAGES, np.full(10, i), "a")
    # ten items are seen for the fourth time, forty for the first: 80 / 50 is 1.6
    assert look(file, [*IMAGES, *more], np.zeros(50, dtype=np.int64), "b") == 2


def test_all_looks_together_err_at_most_four_per_cent() -> None:
    assert level_of(1) == 0.025
    assert level_of(2) == 0.025 / 4
    assert sum(level_of(k) for k in range(1, 10_000)) < 0.0412


def test_a_ledger_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    file.write_text("this is no database" * 100)
    with pytest.warns(DataWarning, match="counts as the first"):
        assert look(file, IMAGES, np.zeros(10, dtype=np.int64), "a") == 1
