from __future__ import annotations

from dataclasses import replace

import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.plugin.testing import phrases, shapes, tiny_source, tones
from autotransfer.results import RankedSource, Ranking
from autotransfer.transferability.ranking.forecast import forecast

IMAGES = shapes(3, 20, seed=4)
SOURCE = replace(tiny_source("net"), num_pretraining_images=1_000_000)


def _ranking(*accuracies: float | None) -> Ranking:
    row = RankedSource("net", 1, 1, 1, 1.0, 2, {}, 1.0, 1.0, len(IMAGES), accuracies)
    return Ranking((row,), ("net",), "net")


def test_it_says_that_it_is_a_forecast_and_what_it_rests_on() -> None:
    text = forecast(_ranking(0.2, 0.35), [SOURCE], IMAGES)
    assert text.startswith("forecast, not a test:")
    assert "a probe on net gets 0.350 right" in text


@pytest.mark.parametrize(("accuracy", "said"), [(0.0, "likely to hurt"), (1.0, "")])
def test_a_probe_that_knows_less_than_the_pixels_warns(accuracy: float, said: str) -> None:
    text = forecast(_ranking(accuracy), [SOURCE], IMAGES)
    assert said in text
    assert ("hurt" in text) == (accuracy == 0.0)


def test_a_source_that_learnt_from_few_pictures_is_named() -> None:
    few = replace(SOURCE, num_pretraining_images=400)
    assert "learnt from 400 items only" in forecast(_ranking(0.5), [few], IMAGES)
    assert "items only" not in forecast(_ranking(0.5), [SOURCE], IMAGES)


def test_without_a_probe_there_is_no_forecast() -> None:
    assert forecast(_ranking(None, None), [SOURCE], IMAGES) == ""


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (phrases(3, 8), "a probe on net gets 0.400 right and counted words 1.000"),
        (tones(3, 8), "a probe on net gets 0.400 right and statistics of the spectrum 1.000"),
    ],
    ids=["texts", "sounds"],
)
def test_texts_and_sounds_are_compared_with_what_they_say_by_themselves(
    items: ImageSet, told: str
) -> None:
    text = forecast(_ranking(0.4), [SOURCE], items)
    assert "transfer is likely to hurt" in text
    assert told in text
