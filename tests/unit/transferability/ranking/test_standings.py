"""What the order, the chance and the shortlist of the sources are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import default_sets
from autotransfer.models.features import Features
from autotransfer.models.source import LocalWeights, Source
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.testing.tiny import shapes, tiny_readers, tiny_source
from autotransfer.transferability.ranking import Consensus, nested_shortlists
from autotransfer.transferability.ranking import race as module
from autotransfer.transferability.ranking.race import Race
from autotransfer.transferability.ranking.resampling import probability_within_a_point
from autotransfer.transferability.ranking.scoring import Scored
from tests.unit.transferability.ranking.samples import scored

IMAGES = shapes(2, 15)
SOURCES = [tiny_source(f"source {seed}", seed=seed) for seed in range(3)]
# the two fits say 2.5 in the mean of the second and the third source; together they count once
SCORES = {
    "source 0": {"logme": 3.0, "h-score": 3.0, "knn": 0.1},  # ranks 1, 1 -> 1 and 3: mean 2
    "source 1": {"logme": 2.0, "h-score": 1.0, "knn": 0.3},  # ranks 2, 3 -> 2.5 and 1: mean 1.75
    "source 2": {"logme": 1.0, "h-score": 2.0, "knn": 0.2},  # ranks 3, 2 -> 2.5 and 2: mean 2.25
}


class _Named(NamedTuple):
    """What the consensus reads of an estimator."""

    name: str
    family: str


ESTIMATORS = cast(
    "Sequence[TransferabilityEstimator]",
    [_Named("logme", "fit"), _Named("h-score", "fit"), _Named("knn", "")],
)


@pytest.fixture
def race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Race]:
    """A function that returns a race whose scores are given."""

    def score(reader: Features, images: ImageSet, *_: object) -> Scored:
        found = scored(reader.source.name, n=len(images), of=reader.source)
        return replace(found, scores=SCORES[reader.source.name])

    def make(memory: Mapping[str, float]) -> Race:
        return Race(IMAGES, tiny_readers(tmp_path), Consensus(ESTIMATORS, memory), 0)

    monkeypatch.setattr(module, "score_source", score)
    monkeypatch.setattr(module, "rank_intervals", lambda *_, **__: (np.ones(3), np.full(3, 3)))
    return make


def test_scores_of_one_family_count_once_in_the_order_of_the_sources(
    race: Callable[..., Race],
) -> None:
    standings = race({}).score(SOURCES, len(IMAGES), [])
    np.testing.assert_allclose(standings.consensus, [2.0, 1.75, 2.25])
    assert standings.places.tolist() == [2, 1, 3]


def test_the_constant_choice_does_not_look_at_the_target(race: Callable[..., Race]) -> None:
    # on earlier targets the third was always the best; here it is the worst by both families,
    # and with its prior, (2.5 + 2 + 1) / 3 = 1.83, behind (2.5 + 1 + 2) / 3 by the order alone
    memory = {
        SOURCES[2].fingerprint: 0.0,
        SOURCES[1].fingerprint: 0.5,
        SOURCES[0].fingerprint: 1.0,
    }
    made = race(memory)
    ranking = made.ranking([made.score(SOURCES, len(IMAGES), [])], None)
    assert [row.source for row in ranking.rows] == ["source 1", "source 2", "source 0"]
    assert ranking.constant_choice == "source 2"


def test_without_any_record_the_order_of_the_default_set_is_one_more_family(
    race: Callable[..., Race], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the same as with the record above: the third is the first of the set, and the worst here
    sources = [_on_disk(source, tmp_path) for source in SOURCES]
    names = tuple(source.name for source in reversed(sources))
    monkeypatch.setattr(default_sets, "DEFAULT_SETS", {"tiny": names})
    made = race({})
    ranking = made.ranking([made.score(sources, len(IMAGES), [])], None)
    assert [row.source for row in ranking.rows] == ["source 1", "source 2", "source 0"]
    assert [row.prior for row in ranking.rows] == [-0.5, 0.0, -1.0]
    assert ranking.constant_choice == "source 2"


def _on_disk(source: Source, folder: Path) -> Source:
    """Return a source with weights that could be pretrained ones."""
    file = folder / f"{source.name}.safetensors"
    sha256 = write_state_dict(file, load_backbone(source).network.state_dict())
    return replace(source, weights=LocalWeights(file, sha256))


def test_no_picture_of_a_fold_counts_for_its_own_shortlist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = np.arange(len(IMAGES)) % 3
    folds = [Fold(np.flatnonzero(place != f), np.flatnonzero(place == f)) for f in range(3)]
    seen: list[set[str]] = []

    def score(reader: Features, images: ImageSet, _: object, domains: list[str]) -> Scored:
        seen.append(set(images.digests))
        assert domains == list(images.names)
        return scored(reader.source.name, n=len(images), of=reader.source)

    monkeypatch.setattr(module, "score_source", score)
    nested_shortlists(
        SOURCES[:1], IMAGES, folds, tiny_readers(tmp_path), Consensus((), {}), seed=0,
        domains=IMAGES.names,
    )  # fmt: skip
    assert seen == [set(IMAGES.subset(fold.train).digests) for fold in folds]


def test_the_chance_of_a_source_is_that_of_its_best_stage() -> None:
    deep: Any = [scored("early", (0.9, 0.5)), scored("late", (0.5, 0.7))]
    np.testing.assert_array_equal(probability_within_a_point(deep, seed=0), [1.0, 0.0])
