from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.class_names import with_settled_classes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import ArrayReader
from autotransfer.data.listing import Listing, bytewise
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidTargetError

COMPOSED, DECOMPOSED = "café", "cafe\u0301"


def settled(*names: str, order: tuple[str, ...] | None = None) -> Listing:
    reader = ArrayReader(np.zeros((len(names), 8, 8), np.uint8))
    ordered = tuple(bytewise(set(names))) if order is None else order
    return with_settled_classes(Listing(reader, ["train"] * len(names), names, ordered))


def test_two_forms_of_unicode_are_one_class_and_said_so() -> None:
    listing = settled(DECOMPOSED, "tea", COMPOSED)
    assert listing.classes == [COMPOSED, "tea", COMPOSED]
    assert listing.class_names == (COMPOSED, "tea")
    assert listing.notes == (f"written in two forms of Unicode, used as one class: '{COMPOSED}'",)


def test_one_form_is_composed_in_silence_and_the_order_is_by_bytes() -> None:
    listing = settled("e\u0301", "z")  # decomposed, its first byte is that of e
    assert listing.class_names == ("z", "é")
    assert listing.notes == ()


def test_an_order_of_its_own_is_kept() -> None:
    listing = settled("b", "a", DECOMPOSED, order=("b", DECOMPOSED, "a"))
    assert listing.class_names == ("b", COMPOSED, "a")


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("Ant", "ant", "bee"), "differ in case, spaces or form only: 'Ant', 'ant'; each is"),
        (("0", "1", "1.0"), "differ in case, spaces or form only: '1', '1.0'"),
        (("01", "1", "2"), "differ in case, spaces or form only: '01', '1'"),
        (("red ant", "red  ant"), "differ in case, spaces or form only: 'red  ant', 'red ant'"),
        (("red_ant", "Red-Ant"), "differ in case, spaces or form only"),
        (("ant ", "ant"), "differ in case, spaces or form only"),
        (("an\u200bt", "ant"), "differ in case, spaces or form only"),
        (("\uff21\uff22", "AB"), "differ in case, spaces or form only"),  # of full width
        (("nan", "ant"), "look like a missing label: 'nan'"),
        (("N/A", "ant"), "look like a missing label: 'N/A'"),
        (("None", "?", "a"), "look like a missing label: '?'; 'None'"),
        (("ant", "bee", "ant|bee"), "look like several labels in one: 'ant|bee'"),
        (("ant", "ant, wasp"), "look like several labels in one: 'ant, wasp'"),
        (("['ant']", "bee"), "look like several labels in one"),
    ],
)
def test_doubtful_names_are_pointed_out_and_stay_classes(
    names: tuple[str, ...], note: str
) -> None:
    listing = settled(*names)
    assert set(listing.class_names) == set(names)
    (found,) = listing.notes
    assert note in found


@pytest.mark.parametrize(
    "names",
    [
        ("1", "2", "10"),
        ("-1", "1"),
        ("1e5", "1e6"),
        ("cat, tabby", "dog"),
        ("a|b", "c"),
        ("inf", "x"),
    ],
)
def test_names_that_differ_are_left_alone(names: tuple[str, ...]) -> None:
    assert settled(*names).notes == ()


def test_of_many_doubtful_names_a_few_are_shown() -> None:
    letters = "abcdefghij"
    (note,) = settled(*letters, *letters.upper()).notes
    assert "'E', 'e'; and 5 more; each" in note
    assert len(settled(*("x" * 400 + letter for letter in "aA")).notes[0]) < 500


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("fourmi \udce9", r"'fourmi \xe9' is no UTF-8"),
        ("\ud800", r"'\ud800' is no UTF-8"),
        ("a\nb", r"'a\nb' is no UTF-8 or has control characters"),
        ("a\0b", r"'a\x00b'"),
        ("a\x1b[2Jb", r"'a\x1b[2Jb'"),
        ("a\x7f", r"'a\x7f'"),
        ("a\u2028b", r"'a\u2028b'"),
        ("a\u202eb", r"'a\u202eb'"),  # turns the text after it around
        ("x" * 501, "has 501 characters, the limit is 500"),
        ("", "blank"),
        (" \u3000", "blank"),
    ],
)
def test_a_name_that_cannot_be_stored_is_refused_and_shown_readably(name: str, shown: str) -> None:
    with pytest.raises(InvalidTargetError) as refused:
        settled("b", name)
    assert shown in str(refused.value)
    images = ImageSet(
        ArrayReader(np.zeros((4, 8, 8), np.uint8)), range(4), [0, 0, 1, 1], ["b", name]
    )
    for target in (images, (np.zeros((2, 8, 8), np.uint8), np.array(["b", name], dtype=object))):
        with pytest.raises(InvalidTargetError) as refused:
            open_target(target)
        assert shown in str(refused.value)
        str(refused.value).encode()  # no half of a pair is left
