"""The ranking: transferability scores of every source on the search items, and a shortlist."""

from autotransfer.transferability.ranking.nested import nested_shortlists
from autotransfer.transferability.ranking.race import DEFAULT_ESTIMATORS, Consensus, rank_sources

__all__ = ["DEFAULT_ESTIMATORS", "Consensus", "nested_shortlists", "rank_sources"]
