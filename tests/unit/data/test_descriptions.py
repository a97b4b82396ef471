"""Classes described by a sentence each: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotransfer.data.descriptions import read_descriptions
from autotransfer.errors import InvalidTargetError


def test_a_table_says_a_sentence_of_each_class_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text('class,note,description\n bee ,x,"flies, stings"\nant,y, walks \n')
    assert read_descriptions(path) == {"bee": "flies, stings", "ant": "walks"}
    assert read_descriptions({"bee": "flies", 3: "walks"}) == {"bee": "flies", "3": "walks"}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("class,text\na,b\n", "no column 'description'"),
        ("name,what\na,b\n", "no column 'class' and 'description'"),
        ("class,description\n", "empty|describes no class"),
        ("class,description\na,walks\na,flies\n", "class 'a' occurs more than once"),
        ("class,description\na,walks\nb,\n", "no description of 'b'"),
        ("class,description\na,It walks.\nb,it walks\n", "'a', 'b' have the same description"),
        ({}, "it describes no class"),
        ({"a": "walks", "b": None}, "no description of 'b'"),
        ([("a", "walks")], "must be a file with the columns class and description"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table: Any, reason: str, tmp_path: Path) -> None:
    given = table
    if isinstance(table, str):
        given = tmp_path / "classes.csv"
        given.write_text(table)
    with pytest.raises(InvalidTargetError, match=reason):
        read_descriptions(given)
