from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autotransfer.data.labels import class_names_of, flat_labels, named
from autotransfer.errors import InvalidTargetError

NUMBERS = [
    [2, 10, 2],
    (2.0, 10.0, 2.0),
    np.array([[2], [10], [2]]),
    np.array([2, 10, 2], dtype=object),
    [np.int64(2), np.uint8(10), 2],
    [torch.tensor(2), torch.tensor([10]), 2],
    torch.tensor([2.0, 10.0, 2.0], requires_grad=True),
    pd.Series([2, 10, 2], index=[5, 6, 7]),
    pd.Series([2, 10, 2], dtype="Int64"),
    pd.Series([2, 10, 2], dtype="category"),
]
NAMES = [
    ["b", "a", "b"],
    np.array([b"b", b"a", b"b"]),
    [b"b", "a", np.str_("b")],
    np.array(["b", "a", "b"], dtype=object),
    pd.Series(["b", "a", "b"], index=[2, 1, 0]),
    pd.Series(["b", "a", "b"], dtype="string"),
    pd.Series(["b", "a", "b"], dtype="category"),
    pd.DataFrame({"label": ["b", "a", "b"]}),
]


@pytest.mark.parametrize("labels", NUMBERS)
def test_numbers_of_every_kind_are_classes_in_their_order(labels: Any) -> None:
    found = flat_labels(labels, 3)
    assert named(found) == ["2", "10", "2"]
    assert class_names_of(found) == ("2", "10")


@pytest.mark.parametrize("labels", NAMES)
def test_names_of_every_kind_are_classes_by_their_bytes(labels: Any) -> None:
    found = flat_labels(labels, 3)
    assert named(found) == ["b", "a", "b"]
    assert class_names_of(found) == ("a", "b")


@pytest.mark.parametrize("labels", [[True, False, True], np.array([True, False, True])])
def test_truth_values_are_two_classes(labels: Any) -> None:
    found = flat_labels(labels, 3)
    assert class_names_of(found) == ("False", "True")
    assert named(found) == ["True", "False", "True"]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["a", None, "b"], "without gaps; that of item 1 is None"),
        (["a", float("nan"), "b"], "without gaps; that of item 1 is nan"),
        (["a", " ", "b"], "without gaps; that of item 1 is blank"),
        (np.array(["a", "", "b"]), "without gaps; that of item 1 is blank"),
        (pd.Series(["a", None, "b"]), "without gaps; that of item 1"),
        (pd.Series([1, None, 2], dtype="Int64"), "not fractions or NaN"),
        (
            np.ma.array([1, 2, 3], mask=[False, True, False]),
            "without gaps; that of item 1 is None",
        ),
        ([1.5, 2, 3], "not fractions or NaN"),
        (np.array([1, np.inf, 2]), "not fractions or NaN"),
        (["a", 1.5, "b"], "that of item 1 is 1.5 beside names"),
        (["a", {}, "b"], "that of item 1 is a dict"),
        ([b"\xff", b"a", b"b"], "not text in UTF-8"),
        (np.array([1j, 2, 3]), "that of item 0 is a complex"),
        ([datetime.date(2024, 1, 1)] * 3, "that of item 0 is a date"),
        (np.zeros((3, 4)), r"shape \(3, 4\) .* labels.argmax"),
        ({"a": 1}, "in the order of the items, not a dict"),
        ({"a", "b", "c"}, "in the order of the items, not a set"),
        ("abc", "in the order of the items, not a str"),
        (7, "one for each item"),
        (["a", "b"], r"shape \(2,\) for 3 item"),
    ],
)
def test_what_is_no_class_is_refused_with_its_place(labels: Any, reason: str) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        flat_labels(labels, 3)
