from __future__ import annotations

import pytest

from autotransfer.data.listing import bytewise, named, readable, shortened


def test_names_are_in_the_order_of_their_bytes() -> None:
    assert bytewise(["b", "a", "B", "ä", "10", "9", "\udcff"]) == [
        *("10", "9", "B", "a", "b", "ä", "\udcff")
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("été (2) 绿色 \u00a0x", "été (2) 绿色 \u00a0x"),
        ("\udcff", r"\xff"),
        ("\ud83d", r"\ud83d"),
        ("a\nb\r\t\0", r"a\nb\r\t\x00"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u2029\u202e", r"\u2029\u202e"),
    ],
)
def test_a_name_is_shown_on_one_line_without_halves_of_pairs(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_what_a_message_repeats_is_short() -> None:
    assert shortened("x" * 120) == "x" * 120
    assert shortened("x" * 121) == "x" * 116 + " ..."
    assert named(["a", 1, "b\n"]) == r"'a', '1', 'b\n'"
    assert named("abcdefg", most=3) == "'a', 'b', 'c' and 4 more"
    assert named([]) == "nothing"
