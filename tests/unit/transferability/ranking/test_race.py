from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.errors import DataWarning, NoCandidateError, ReducedBudgetWarning
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import LocalWeights, Source
from autotransfer.plugin.testing.tiny import shapes, tiny_readers, tiny_source
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.ranking import Consensus, rank_sources
from autotransfer.transferability.ranking import race as module
from autotransfer.transferability.ranking.race_rounds import stratified_order, survivors

NAMES = ("logme", "regularised-h-score", "knn", "leep", "nce")


def _consensus(memory: Mapping[str, float] | None = None) -> Consensus:
    return Consensus([e for e in ESTIMATORS if e.name in NAMES], memory or {})


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", (30, 60, 120))


def _sources(count: int) -> list[Source]:
    return [tiny_source(f"seed {seed}", seed=seed) for seed in range(count)]


def test_every_beginning_holds_the_classes_in_even_shares() -> None:
    labels = np.repeat([0, 1, 2], (60, 30, 10))
    order = stratified_order(labels, seed=3)
    assert sorted(order) == list(range(100))
    for n in (10, 20, 50):
        assert (
            np.abs(
                np.bincount(labels[order[:n]], minlength=3) - n * np.array([0.6, 0.3, 0.1])
            ).max()
            <= 1
        )


def test_the_hopeless_leave_and_the_best_places_stay() -> None:
    places = np.array([4, 1, 2, 3, 5, 6])
    within = np.array([0.1, 0.0, 1.0, 0.0, 0.09, 0.0])
    np.testing.assert_array_equal(survivors(places, within, hopeless=0.1), [0, 1, 2, 3])


@pytest.mark.usefixtures("short_rounds")
def test_every_source_has_a_rank_and_the_first_ones_saw_the_most_pictures(tmp_path: Path) -> None:
    sources = _sources(6)
    ranking, skipped = rank_sources(
        sources, shapes(3, 40), tiny_readers(tmp_path), _consensus(), seed=0
    )
    assert skipped == []
    assert [row.rank for row in ranking.rows] == list(range(1, 7))
    assert {row.source for row in ranking.rows} == {source.name for source in sources}
    seen = [row.num_images for row in ranking.rows]
    assert seen == sorted(seen, reverse=True)
    scores = [row.score for row in ranking.rows]
    assert scores == sorted(scores)
    for row in ranking.rows:
        assert row.rank_low <= row.rank <= row.rank_high
        assert len(row.stage_accuracies) == 5
        assert set(row.estimators) <= set(NAMES)
    assert len(ranking.shortlist) >= 3


@pytest.mark.usefixtures("short_rounds")
def test_without_racing_every_source_sees_every_picture(tmp_path: Path) -> None:
    readers = tiny_readers(tmp_path)
    ranking, _ = rank_sources(
        _sources(5), shapes(3, 40), readers, _consensus(), seed=0, racing=False
    )
    assert {row.num_images for row in ranking.rows} == {120}


@pytest.mark.usefixtures("short_rounds")
def test_a_second_ranking_does_no_forward_pass_and_says_the_same(tmp_path: Path) -> None:
    loaded: list[str] = []

    def load(source: Source) -> Backbone:
        loaded.append(source.name)
        return load_backbone(source)

    def ranked() -> object:
        readers = FeatureReaders(
            FeatureStore(tmp_path), PixelStore(1 << 26), load, tiny_readers(tmp_path).device
        )
        ranking, _ = rank_sources(_sources(4), shapes(3, 40), readers, _consensus(), seed=0)
        return [replace(row, seconds=0.0) for row in ranking.rows], ranking.shortlist

    first = ranked()
    assert loaded
    loaded.clear()
    assert ranked() == first
    assert loaded == []


def test_a_copy_of_a_source_changes_no_score_and_no_order_of_the_others(tmp_path: Path) -> None:
    readers, images = tiny_readers(tmp_path), shapes(3, 30)
    sources = _sources(4)
    plain, _ = rank_sources(sources, images, readers, _consensus(), seed=0)
    copy = replace(sources[2], name="copy")
    with_copy, _ = rank_sources([*sources, copy], images, readers, _consensus(), seed=0)
    others = [row for row in with_copy.rows if row.source != "copy"]
    assert [row.source for row in others] == [row.source for row in plain.rows]
    np.testing.assert_allclose([r.score for r in others], [r.score for r in plain.rows])


def test_a_source_that_did_well_on_earlier_targets_moves_up(tmp_path: Path) -> None:
    readers, images = tiny_readers(tmp_path), shapes(3, 30)
    sources = _sources(4)
    plain, _ = rank_sources(sources, images, readers, _consensus(), seed=0)
    last = next(s for s in sources if s.name == plain.rows[-1].source)
    memory = {s.fingerprint: 0.0 if s is last else 1.0 for s in sources}
    known, _ = rank_sources(sources, images, readers, _consensus(memory), seed=0)
    before = plain.rows[-1].score
    after = next(row for row in known.rows if row.source == last.name)
    assert after.score < before
    assert after.prior == 0.0


def test_a_source_whose_features_are_not_finite_is_left_out_in_words(tmp_path: Path) -> None:
    def load(source: Source) -> Backbone:
        backbone = load_backbone(source)
        if source.name == "seed 1":
            next(backbone.network.parameters()).data.fill_(float("inf"))
        return backbone

    readers = FeatureReaders(
        FeatureStore(tmp_path), PixelStore(1 << 26), load, tiny_readers(tmp_path).device
    )
    with pytest.warns(DataWarning, match="infinite or NaN"):
        ranking, skipped = rank_sources(_sources(3), shapes(2, 10), readers, _consensus(), seed=0)
    assert [skip.source for skip in skipped] == ["seed 1"]
    assert "its weights are damaged, or are not those of test_resnet" in skipped[0].reason
    assert len(ranking.rows) == 2


def test_sources_that_cannot_be_loaded_leave_nothing_to_rank(tmp_path: Path) -> None:
    missing = replace(tiny_source(), weights=LocalWeights(tmp_path / "none.safetensors", "0" * 64))
    with pytest.warns(DataWarning, match="left out"), pytest.raises(NoCandidateError):
        rank_sources([missing], shapes(2, 5), tiny_readers(tmp_path), _consensus(), seed=0)


@pytest.mark.usefixtures("short_rounds")
def test_when_time_is_short_the_ranking_rests_on_fewer_pictures_and_says_so(
    tmp_path: Path,
) -> None:
    with pytest.warns(ReducedBudgetWarning, match="rests on 9 items"):
        ranking, skipped = rank_sources(
            _sources(3), shapes(3, 40), tiny_readers(tmp_path), _consensus(), seed=0, seconds=0.0
        )
    assert {row.num_images for row in ranking.rows} == {9}  # three of every class
    reason = "no time was left to rank it: not in the shortlist"
    assert [skip.reason for skip in skipped] == [reason] * 2


def _hidden(images: ImageSet) -> ImageSet:
    return images.subset(np.arange(len(images)))


def test_constant_features_rank_last_and_do_no_harm(tmp_path: Path) -> None:
    def load(source: Source) -> Backbone:
        backbone = load_backbone(source)
        if source.name == "seed 1":
            for parameter in backbone.network.parameters():
                parameter.data.zero_()
        return backbone

    readers = FeatureReaders(
        FeatureStore(tmp_path), PixelStore(1 << 26), load, tiny_readers(tmp_path).device
    )
    ranking, _ = rank_sources(_sources(3), _hidden(shapes(2, 20)), readers, _consensus(), seed=0)
    assert ranking.rows[-1].source == "seed 1"
    assert "logme" not in ranking.rows[-1].estimators
