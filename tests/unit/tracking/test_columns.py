from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotransfer.tracking.columns import answer_columns


def test_classes_follow_class_and_probability() -> None:
    assert answer_columns(("ant", "bee")) == ("class", "probability", "ant", "bee")


def test_a_class_that_is_named_like_a_column_is_told_apart() -> None:
    names = ("probability", "probability (class)")
    assert answer_columns(names)[2:] == ("probability (class)", "probability (class) (class)")


@given(st.lists(st.sampled_from(["class", "probability", "class (class)", "a"]), unique=True))
def test_every_column_has_its_own_name(names: list[str]) -> None:
    columns = answer_columns(names)
    assert len(set(columns)) == len(names) + 2
