from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import NO_PAIRS
from autotransfer.errors import DataWarning, NoCandidateError
from autotransfer.models.catalogue import Sources
from autotransfer.models.catalogue.leakage import without_leaks
from autotransfer.plugin.testing import shapes
from autotransfer.plugin.testing.tiny import tiny_source


def divided(*, held_out: bool) -> Division:
    images = shapes(2, 6)
    units = np.zeros(0, dtype=np.int64)
    if not held_out:
        return Division(images, None, None, NO_PAIRS, units)
    search, kept = images.subset(range(8)), images.subset(range(8, 12))
    return Division(search, kept, None, NO_PAIRS, units)


def sources(seen: ImageSet | None) -> Sources:
    tuned = tiny_source("tuned")
    if seen is not None:
        tuned = replace(tuned, seen=seen.digests)
    return Sources((tuned, tiny_source("fresh")), ())


def test_a_source_that_knows_a_sealed_picture_is_left_out_with_the_reason() -> None:
    division = divided(held_out=True)
    assert division.held_out is not None
    found = without_leaks(sources(division.held_out.subset([0, 1])), division)
    assert [source.name for source in found.sources] == ["fresh"]
    assert found.skipped[0].source == "tuned"
    assert "on 2 of the 4 images that would test it" in found.skipped[0].reason


def test_where_nothing_is_sealed_every_picture_tests() -> None:
    division = divided(held_out=False)
    found = without_leaks(sources(division.images.subset([3])), division)
    assert [source.name for source in found.sources] == ["fresh"]


def test_the_users_own_validation_split_tests_as_well() -> None:
    division, validation = divided(held_out=True), shapes(2, 2, seed=9)
    found = without_leaks(sources(validation.subset([0])), division, validation)
    assert [source.name for source in found.sources] == ["fresh"]


def test_pictures_that_only_choose_are_warned_of() -> None:
    division = divided(held_out=True)
    with pytest.warns(DataWarning, match="tuned was tuned on 3 of the 8 images of the search"):
        found = without_leaks(sources(division.images.subset([0, 1, 2])), division)
    assert len(found.sources) == 2


def test_nothing_is_left_out_where_nothing_was_seen() -> None:
    before = sources(None)
    assert without_leaks(before, divided(held_out=False)) is before


def test_without_any_other_source_the_reason_is_the_error() -> None:
    division = divided(held_out=False)
    alone = Sources((replace(tiny_source("tuned"), seen=division.images.digests),), ())
    with pytest.raises(NoCandidateError, match="an earlier fit tuned it on 12 of the 12"):
        without_leaks(alone, division)
