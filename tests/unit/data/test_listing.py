from __future__ import annotations

from autotransfer.data.listing import bytewise


def test_names_are_in_the_order_of_their_bytes() -> None:
    assert bytewise(["b", "a", "B", "ä", "10", "9", "\udcff"]) == [
        *("10", "9", "B", "a", "b", "ä", "\udcff")
    ]
