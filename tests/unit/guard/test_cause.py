from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autotransfer.data.target import open_target
from autotransfer.guard.cause import DATA, METHOD, UNKNOWN, source_distance
from autotransfer.guard.cause import cause_of as told_cause
from autotransfer.guard.contamination import overlap_of_others, overlap_remark
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.testing.tiny import shapes, tiny_readers, tiny_source
from autotransfer.results import Outcome, RankedSource, State
from autotransfer.search.cross_validation import LabelledContext

ACCURACY = metric_named("accuracy")
cause_of = partial(told_cause, metric=ACCURACY, accuracy=0.6, num_tested=100)
LOSER = Outcome(0, "faces", "fine-tune", {}, State.COMPLETE, value=0.6)
ROW = RankedSource("faces", 1, 1, 1, 1.0, 2, {}, 1.0, 1.0, 100, (0.4, 0.55, None))


def test_it_is_the_method_where_another_one_of_the_same_source_does_well() -> None:
    rival = replace(LOSER, number=1, strategy="feature-extraction", value=0.8)
    found = cause_of(LOSER, [LOSER, rival], ROW, 0.5, 0.7)
    assert found.kind == METHOD
    assert "trial 1 (feature-extraction)" in found.sentence
    assert "0.800" in found.sentence


def test_it_is_the_data_where_even_the_best_stage_loses_to_untrained_features() -> None:
    other = replace(LOSER, number=1, source="birds", value=0.9)  # another source proves nothing
    found = cause_of(LOSER, [LOSER, other], ROW, 0.62, 0.7)
    assert found.kind == DATA
    assert "0.550" in found.sentence
    assert "0.620" in found.sentence


def test_it_is_the_data_where_the_source_pictures_look_altogether_different() -> None:
    found = cause_of(LOSER, [LOSER], ROW, 0.5, 0.7, distance=1.9)
    assert found.kind == DATA
    assert "A-distance of the two sets is 1.9 of 2" in found.sentence
    near = cause_of(LOSER, [LOSER], ROW, 0.5, 0.7, distance=0.6)
    assert near.kind == UNKNOWN
    assert "0.6 of 2" in near.sentence


def test_it_is_the_method_where_a_probe_of_the_source_is_clearly_better() -> None:
    row = replace(ROW, stage_accuracies=(0.7, 0.95, None))
    for untrained in (0.5, None):
        found = cause_of(LOSER, [LOSER], row, untrained, 1.0, accuracy=0.328, distance=1.9)
        assert found.kind == METHOD
        assert "0.950, fine-tune only 0.328" in found.sentence
    # se of the gap: sqrt(0.6 x 0.4 / 100 + 0.7 x 0.3 / 100) = 0.067
    for probe, kind in ((0.72, UNKNOWN), (0.74, METHOD)):
        near = replace(ROW, stage_accuracies=(probe,))
        assert cause_of(LOSER, [LOSER], near, 0.5, 1.0).kind == kind


def test_it_is_the_data_where_probe_and_finalist_lose_to_untrained_features() -> None:
    row = replace(ROW, stage_accuracies=(0.7, 0.95))
    assert cause_of(LOSER, [LOSER], row, 0.97, 1.0, accuracy=0.328).kind == DATA


def test_the_same_pictures_are_near_and_others_are_far(tmp_path: Path) -> None:
    ours, source = shapes(3, 12), tiny_source("net")
    context = LabelledContext(ours, (), None, tiny_readers(tmp_path), ACCURACY)
    assert source_distance(context, source, 0) is None
    rng = np.random.default_rng(0)  # noise is nothing like shapes
    noise = rng.integers(256, size=(36, 32, 32, 3), dtype=np.uint8)
    other = open_target((noise, np.arange(36) % 3)).train
    near, far = (
        source_distance(replace(context, source_images=pictures), source, 0)
        for pictures in (shapes(3, 12, seed=1), other)
    )
    assert near is not None
    assert far is not None
    assert near < 1.0
    assert far > 1.8
    few = replace(context, source_images=shapes(3, 1))
    assert source_distance(few, source, 0) is None


def test_it_is_unknown_where_the_figures_do_not_say() -> None:
    assert cause_of(LOSER, [LOSER], ROW, 0.5, 0.7).kind == UNKNOWN
    assert cause_of(LOSER, [LOSER], None, 0.5, 0.7).kind == UNKNOWN


def test_a_source_that_knows_the_classes_is_named() -> None:
    source = replace(
        tiny_source("net"),
        class_names=("tench", "ant, emmet, pismire", "bee"),
        pretrained_on="ImageNet-1k",
    )
    remark = overlap_remark(source, ("ants", "bees", "wasps"), "insects")
    assert remark.startswith("2 of 3 classes (ants, bees)")
    assert "ImageNet-1k" in remark


def test_a_source_that_learnt_from_the_target_is_named() -> None:
    source = replace(tiny_source("net"), pretrained_on="CIFAR-10")
    assert "CIFAR-10" in overlap_remark(source, ("cat", "dog"), "cifar10")
    assert overlap_remark(source, ("cat", "dog"), "photos") == ""
    given = replace(source, pretrained_on="unknown (features were given)")
    assert overlap_remark(given, ("cat", "dog"), "features") == ""


def test_the_other_sources_of_an_answer_that_may_know_the_target_are_named_together() -> None:
    learnt = [replace(tiny_source(name), pretrained_on="CIFAR-10") for name in ("one", "two")]
    others = [*learnt, replace(tiny_source("three"), pretrained_on="ImageNet-1k"), learnt[0]]
    assert overlap_of_others(others, ("cat", "dog"), "cifar10") == (
        "the answer also reads one, two, which may have seen these very items"
    )
    given = replace(tiny_source("four"), pretrained_on="unknown (features were given)")
    assert overlap_of_others([given], ("cat", "dog"), "features") == ""
