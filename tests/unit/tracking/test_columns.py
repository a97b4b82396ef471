from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotransfer.tracking.columns import answer_columns


def test_classes_follow_class_and_probability() -> None:
    assert answer_columns(("ant", "bee")) == ("class", "probability", "ant", "bee")
    assert answer_columns(["Image"])[2] == "Image"


def test_a_class_that_is_named_like_a_column_is_told_apart() -> None:
    names = ("probability", "probability (class)", "image", "abstained", "unknown", "because")
    assert answer_columns(names)[2:] == (
        "probability (class)",
        "probability (class) (class)",
        "image (class)",
        "abstained (class)",
        "unknown (class)",
        "because (class)",
    )


CLASSES = st.sampled_from(["image", "class", "probability", "class (class)", "a", "a (class)"])


@given(st.lists(CLASSES, unique=True), CLASSES)
def test_every_column_has_its_own_name_whatever_the_other_classes_are(
    names: list[str], name: str
) -> None:
    columns = ("image", *answer_columns(names), "unknown", "abstained", "because")
    assert len(set(columns)) == len(columns) == len(names) + 6
    if name in names:
        assert answer_columns([name])[2] == columns[3 + names.index(name)]
