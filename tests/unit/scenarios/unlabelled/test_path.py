from __future__ import annotations

from itertools import combinations

import pytest

from autotransfer.scenarios.unlabelled.path import SOURCE, TARGET, Distances, shortest_path


def _distances(**given: float) -> Distances:
    """Return the distances of "s-a" and the like; every other pair is 2 apart."""
    names = {"s": SOURCE, "t": TARGET}
    points = sorted({p for key in given for p in key.split("_")} | {"s", "t"})
    full = {frozenset(names.get(p, p) for p in pair): 2.0 for pair in combinations(points, 2)}
    return full | {
        frozenset(names.get(p, p) for p in key.split("_")): value for key, value in given.items()
    }


def test_the_path_with_the_shortest_longest_hop_is_taken() -> None:
    path = shortest_path(["a", "b"], _distances(s_t=1.9, s_a=1.0, a_b=1.2, b_t=0.9, a_t=1.8))
    assert path.domains == ("a", "b")
    assert (path.longest, path.direct) == (1.2, 1.9)
    assert path.accepted
    assert str(path) == "source -> a -> b -> target"


def test_a_tie_goes_to_the_smaller_sum_and_then_to_fewer_hops() -> None:
    path = shortest_path(["a", "b"], _distances(s_t=2.0, s_a=1.0, a_t=1.0, s_b=1.0, b_t=0.5))
    assert path.domains == ("b",)
    path = shortest_path(["a"], _distances(s_t=0.0, s_a=0.0, a_t=0.0))
    assert path.domains == ()


def test_no_path_has_more_than_three_hops() -> None:
    given = _distances(s_t=2.0, s_a=0.1, a_b=0.1, b_c=0.1, c_t=0.1)
    assert len(shortest_path(["a", "b", "c"], given).domains) <= 2


@pytest.mark.parametrize(("hop", "accepted"), [(1.5, "yes"), (1.75, "no"), (1.9, "no")])
def test_a_path_has_to_be_a_fifth_shorter_than_the_direct_hop(hop: float, accepted: str) -> None:
    path = shortest_path(["a"], _distances(s_t=1.8, s_a=hop, a_t=hop))
    assert path.accepted is (accepted == "yes")


def test_without_stones_the_direct_hop_is_all_there_is() -> None:
    path = shortest_path([], _distances(s_t=1.8))
    assert (path.domains, path.accepted) == ((), False)
