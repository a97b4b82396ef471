"""How many target images are none of the classes, on features whose classes are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.unlabelled.unknown_classes import (
    FEWEST,
    MOST_SHIFTED,
    UnknownClasses,
    too_few,
    unknown_classes,
)

CENTRES = 5 * np.eye(8, 40)
Rows = NDArray[np.float64]


def rows(n: int, seed: int, classes: list[int]) -> tuple[Rows, NDArray[np.int64]]:
    labels = np.array(classes)[np.arange(n) % len(classes)]
    return CENTRES[labels] + np.random.default_rng(seed).normal(size=(n, 40)), labels


def seen(num_unknown: int, *, move: float = 0.0, known: int = 210) -> UnknownClasses:
    learnt, labels = rows(360, 0, [0, 1, 2, 3, 4, 5])
    target = rows(known, 1, [0, 1, 2, 3, 4, 5])[0]
    unknown = rows(num_unknown, 2, [6, 7])[0] if num_unknown else target[:0]
    return unknown_classes(learnt, labels, np.concatenate([target, unknown]) + move, seed=0)


def test_a_closed_set_has_no_unknown_image() -> None:
    found = seen(0)
    assert found.doubt == ""
    assert not found.aligned
    assert not found.found
    assert found.mixture.low == 0.0
    assert found.mixture.share < 0.05


@pytest.mark.parametrize("num_unknown", [40, 90])
def test_classes_that_nobody_labelled_are_counted_within_the_interval(num_unknown: int) -> None:
    found, right = seen(num_unknown), num_unknown / (210 + num_unknown)
    assert found.found
    assert found.mixture.low <= right <= found.mixture.high
    assert found.mixture.share == pytest.approx(right, abs=0.06)
    assert found.beyond > 1


def test_they_are_counted_where_the_target_looks_otherwise_too() -> None:
    found = seen(90, move=2.0)
    assert found.aligned
    assert found.novelty.references is None
    assert found.mixture.low <= 0.3 <= found.mixture.high


def test_a_target_that_is_strange_as_a_whole_is_not_told_of() -> None:
    learnt, labels = rows(360, 0, [0, 1, 2, 3, 4, 5])
    blurred = 0.2 * rows(300, 1, [0, 1, 2, 3, 4, 5])[0] + np.random.default_rng(3).normal(
        size=(300, 40)
    )
    found = unknown_classes(learnt, labels, blurred, seed=0)
    assert found.mixture.shift > MOST_SHIFTED
    assert "the whole target looks strange" in found.doubt
    assert not found.found


def test_where_no_image_is_of_the_classes_none_is_rejected_and_it_is_said_why() -> None:
    learnt, labels = rows(360, 0, [0, 1, 2, 3, 4, 5])
    found = unknown_classes(learnt, labels, rows(300, 1, [6, 7])[0], seed=0)
    assert "strange beside the source items" in found.doubt or "or more" in found.doubt
    assert not found.found


def test_too_few_images_of_either_domain_are_named() -> None:
    few, enough = shapes(3, 13), shapes(3, 14)
    assert too_few(enough, few) == f"39 target items are too few; at least {FEWEST} are needed"
    assert too_few(few, enough) == f"39 source items are too few; at least {FEWEST} are needed"
    assert too_few(enough, enough) == ""


def test_too_wide_an_interval_is_not_told() -> None:
    found = seen(90)
    wide = replace(found.mixture, low=0.1, high=0.6)
    assert (
        replace(found, mixture=wide).doubt == "it may be anything from 10 % to 60 % of the items"
    )
    most = replace(found.mixture, low=0.7, high=0.8)
    assert replace(found, mixture=most).doubt == "it may be 80 % of the items or more"


def test_not_finding_any_says_nothing_where_classes_that_are_left_out_are_not_seen() -> None:
    closed = replace(seen(0), beyond=0.3)
    assert "would not be seen" in closed.doubt
    assert replace(seen(90), beyond=0.3).doubt == ""


def test_of_two_classes_none_is_left_out() -> None:
    learnt, labels = rows(120, 0, [0, 1])
    found = unknown_classes(learnt, labels, rows(100, 1, [0, 1])[0], seed=0)
    assert found.beyond == 1.0


def test_a_class_of_a_single_image_does_no_harm() -> None:
    learnt, labels = rows(360, 0, [0, 1, 2])
    labels[:2] = [6, 7]
    found = unknown_classes(learnt, labels, rows(100, 1, [0, 1, 2])[0], seed=0)
    assert found.mixture.low == 0.0
