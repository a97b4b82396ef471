"""The section of images that are none of the classes, and the table to name them in."""

from __future__ import annotations

import base64
import csv
import io
import re
from typing import Any

import numpy as np

from autotransfer.plugin.testing import shapes
from autotransfer.report.material import Material, Rejected
from autotransfer.report.none_of_these import SHOWN, groups_of, none_of_these_section
from tests.unit.conftest import MakeRecord


def _rejected(sizes: tuple[int, ...]) -> Rejected:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rows = 9 * np.eye(len(sizes), 12)[groups]
    rows += np.random.default_rng(0).normal(size=rows.shape)
    images = shapes(2, 40).subset(np.arange(len(groups)))
    return Rejected(images, rows.astype(np.float32), np.linspace(0.99, 0.6, len(groups)))


def test_images_that_look_alike_are_in_one_group() -> None:
    groups = groups_of(_rejected((20, 12, 8)).features)
    assert len(set(groups)) == 3
    assert all(len(set(part)) == 1 for part in np.split(groups, [20, 32]))
    assert set(groups_of(np.ones((4, 3)))) == {0}
    assert set(groups_of(np.ones((9, 3)))) == {0}


def test_twenty_are_shown_the_largest_group_first_and_all_are_in_the_table(
    make_record: MakeRecord,
) -> None:
    rejected = _rejected((20, 12, 3))
    text = str(none_of_these_section(Material(make_record(), rejected=lambda: rejected)))
    assert text.count("<figure") == SHOWN
    assert text.index("Group 1 of 3, 20 in all") < text.index("Group 3 of 3, 3 in all")
    assert "35 images are more probably none of your classes than not; 20 are shown" in text
    found = re.search(r"data:text/csv;base64,([^\"]+)", text)
    assert found is not None
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(found[1]).decode())))
    assert [row["group"] for row in rows] == ["1"] * 20 + ["2"] * 12 + ["3"] * 3
    assert {row["image"] for row in rows} == set(rejected.images.names)
    assert {row["label"] for row in rows} == {""}
    assert rows[0]["unknown"] == "0.990"


def test_where_nothing_is_rejected_there_is_no_section(make_record: MakeRecord) -> None:
    assert none_of_these_section(Material(make_record())) is None
    nothing: Any = Rejected(shapes(2, 2).subset([]), np.zeros((0, 3)), np.zeros(0))
    assert none_of_these_section(Material(make_record(), rejected=lambda: nothing)) is None
