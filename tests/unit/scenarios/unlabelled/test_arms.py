"""What is tried without target labels, by what the items are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from autotransfer.data.modality import Modality
from autotransfer.models.source import LocalWeights
from autotransfer.plugin.presets import read_preset
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import tiny_source
from autotransfer.scenarios.unlabelled.arms import arms_without_labels
from autotransfer.search.arms import Arms

STRATEGIES = ("source-probe", "feature-coral", "source-only", "mcc", "adabn", "fine-tune")


def _arms(modality: Modality, *sources: Any, **more: Any) -> tuple[Arms, dict[str, str]]:
    registry = discover()
    arms, skipped = arms_without_labels(
        sources,
        [registry.strategy(name) for name in STRATEGIES],
        read_preset(registry.preset("default")),
        num_images=20,
        num_classes=2,
        modality=modality,
        **more,
    )
    return arms, {skip.strategy: skip.reason for skip in skipped if skip.source == "*"}


def test_what_is_for_images_alone_is_told_of_where_the_items_are_texts() -> None:
    text = tiny_source(modality=Modality.TEXT)
    arms, skipped = _arms(Modality.TEXT, text)
    names = {strategy.name for strategy in arms.strategies}
    assert names == {"source-probe", "feature-coral", "source-only", "mcc"}
    assert skipped == {"adabn": "does not work on texts"}  # fine-tune is for labels, unasked
    arms, skipped = _arms(Modality.IMAGE, tiny_source(), named=("fine-tune",))
    assert "adabn" in {strategy.name for strategy in arms.strategies}
    assert skipped == {"fine-tune": "does not work in the scenario unlabelled"}


def test_a_source_with_which_nothing_can_be_tried_is_no_arm() -> None:
    sound = tiny_source(modality=Modality.SOUND)  # untrained, and nothing trains sounds here
    weights = LocalWeights(Path("weights.safetensors"), "0" * 64)
    pretrained = replace(sound, name="pretrained", weights=weights)
    arms, _ = _arms(Modality.SOUND, pretrained, sound)
    assert [source.name for source in arms.sources] == ["pretrained"]
