from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.domain_results import DomainAccuracies
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.ranking import Consensus, rank_sources
from autotransfer.transferability.ranking.left_out_domains import (
    LEFT_OUT,
    left_out_accuracies,
    score_of,
)


def _domains(flipped: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Three domains of 40 items whose first number says the class, the other way round in one."""
    rng = np.random.default_rng(0)
    labels, domains = np.tile([0, 1], 60), np.repeat(["a", "b", "c"], 40)
    sign = np.where(domains == flipped, -1.0, 1.0)
    x = np.column_stack([sign * (2 * labels - 1) + 0.1 * rng.normal(size=120), np.ones(120)])
    return x, labels, domains.tolist()


def test_each_domain_is_answered_by_what_the_others_teach() -> None:
    found = left_out_accuracies(*_domains(flipped="none"))
    assert found == DomainAccuracies({"a": 1.0, "b": 1.0, "c": 1.0})
    odd = left_out_accuracies(*_domains(flipped="b"))
    assert odd is not None
    assert odd.by_domain["b"] == 0.0
    assert odd.worst == "b"


def test_nothing_is_left_out_where_the_rest_has_one_class() -> None:
    x, _, domains = _domains(flipped="none")
    assert left_out_accuracies(x[:80], np.repeat([0, 1], 40), domains[:80]) is None


def test_the_score_is_half_the_mean_and_half_the_worst_domain() -> None:
    four = {"a": 0.9, "b": 0.6, "c": 0.9, "d": 0.8}
    assert score_of(DomainAccuracies(four)) == {LEFT_OUT: pytest.approx(0.7)}
    assert score_of(DomainAccuracies({"a": 0.9, "b": 0.6, "c": 0.9})) == {}  # shown alone
    assert score_of(None) == {}


def _ranked(domains: list[str] | None) -> dict[str, int]:
    """Rank a source that knows each domain by heart beside one that holds everywhere."""
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(4), 30)
    labels = np.tile([0, 1], 60)
    heart = np.zeros((120, 8))
    heart[np.arange(120), 2 * of + labels] = 3
    steady = np.column_stack([2.0 * labels - 1, *rng.normal(size=(3, 120))])
    matrices = Matrices.of(
        {"everywhere": steady + 0.4 * rng.normal(size=steady.shape),
         "by heart": heart + 0.1 * rng.normal(size=heart.shape)},
        labels,
    )  # fmt: skip
    images: ImageSet = matrices.items
    consensus = Consensus([e for e in ESTIMATORS if e.name == "knn"], {}, with_prior=False)
    ranking, _ = rank_sources(
        matrices.sources, images, MatrixReaders(matrices), consensus, seed=0, domains=domains
    )
    for row in ranking.rows:
        assert (row.left_out is None) == (domains is None)
    return {row.source: row.rank for row in ranking.rows}


def test_what_holds_on_domains_that_are_left_out_gains_places() -> None:
    assert _ranked(None) == {"by heart": 1, "everywhere": 2}
    domains = np.repeat(["w", "x", "y", "z"], 30).tolist()
    assert _ranked(domains) == {"everywhere": 1, "by heart": 2}
