from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.data.attributes import read_attributes
from autotransfer.errors import InvalidTargetError

SEEN = ["a", "b", "c", "d"]
ROWS: dict[str, list[Any]] = {
    "a": [1, 0, 2],
    "b": [0, 1, 2],
    "c": [1, 1, 0],
    "d": [0, 0, 1],
    "x": [2, 1, 1],
}


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "classes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _csv(rows: dict[str, list[Any]], header: str = "class,stripes,wings,size") -> str:
    return "\n".join([header, *(f"{k},{','.join(map(str, v))}" for k, v in rows.items())])


def test_seen_classes_come_first_in_the_order_of_the_target(tmp_path: Path) -> None:
    table = read_attributes(_write(tmp_path, _csv(dict(ROWS))), ["d", "c", "b", "a"])
    assert table.class_names == ("d", "c", "b", "a", "x")
    assert table.unseen == ("x",)
    assert table.names == ("stripes", "wings", "size")
    np.testing.assert_array_equal(table.values[[0, 4]], [[0, 0, 1], [2, 1, 1]])


def test_a_mapping_is_a_table() -> None:
    table = read_attributes(ROWS, SEEN)
    assert table.names == ("attribute 1", "attribute 2", "attribute 3")
    assert table.values.shape == (5, 3)


def test_empty_cells_and_minus_one_are_the_mean_of_what_is_known(tmp_path: Path) -> None:
    rows = {**ROWS, "x": ["", -1, 4], "y": [3, 3, 3]}
    table = read_attributes(_write(tmp_path, _csv(rows)), SEEN)
    np.testing.assert_allclose(table.values[4], [(1 + 0 + 1 + 0 + 3) / 5, 1.0, 4.0])
    assert "2 unknown attribute value(s)" in table.notes[0]


def test_attributes_that_are_the_same_for_all_seen_classes_are_dropped_and_listed() -> None:
    rows = {k: [*v, 7 if k != "x" else 8] for k, v in ROWS.items()}
    table = read_attributes(rows, SEEN)
    assert table.names == ("attribute 1", "attribute 2", "attribute 3")
    assert any("'attribute 4'" in note for note in table.notes)


@pytest.mark.parametrize(
    ("rows", "seen", "message"),
    [
        (ROWS, [*SEEN, "zebra"], "no row for 'zebra'"),
        ({k: ROWS[k] for k in SEEN}, SEEN, "every class has images"),
        (ROWS, ["a", "b"], "too few"),
        ({**ROWS, "y": [2, 1, 1]}, SEEN, "identical rows: x = y"),
        ({**ROWS, "y": [-1, -1, -1]}, SEEN, "nothing is known of 'y'"),
        ({k: [1, 1, v[0]] for k, v in ROWS.items()} | {"d": [1, 1, 5]}, SEEN, None),
        ({k: [1, 1, 1] if k != "x" else [1, 2, 3] for k in ROWS}, SEEN, "same for all classes"),
        ({**ROWS, "x": [float("inf"), 1, 1]}, SEEN, "infinite"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(
    rows: dict[str, list[float]], seen: list[str], message: str | None
) -> None:
    if message is None:
        assert read_attributes(rows, seen).names == ("attribute 3",)
        return
    with pytest.raises(InvalidTargetError, match=message):
        read_attributes(rows, seen)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("name,x,y\na,1,2", "first column is 'name'"),
        ("class,x,x\na,1,2", "more than one column is called 'x'"),
        ("class,x,y\na,1,2\na,2,3", "class 'a' occurs more than once"),
        ("class,x,y\na,1", r"line 2 has 2 field\(s\), the first line 3"),
        ("class,x,y\na,1,much", "'y' of 'a' is 'much'"),
        ("class,x\na,1", "at least two attributes"),
    ],
)
def test_a_malformed_file_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        read_attributes(_write(tmp_path, text), SEEN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTargetError, match=r"none\.csv: no such file"):
        read_attributes(tmp_path / "none.csv", SEEN)


def test_rows_can_be_reordered_with_other_classes_unseen() -> None:
    table = read_attributes(ROWS, SEEN).reordered(["c", "a"], ["b"])
    assert (table.seen, table.unseen) == (("c", "a"), ("b",))
    np.testing.assert_array_equal(table.values, [[1, 1, 0], [1, 0, 2], [0, 1, 2]])
