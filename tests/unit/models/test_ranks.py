from __future__ import annotations

from autotransfer.models.ranks import average_ranks


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert average_ranks([0.3, 0.1, 0.3, 0.2, 0.3]).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]
