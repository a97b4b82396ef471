"""What is kept of the unknown to judge later images by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.models.novelty import HIGHEST, LOWEST, Novelty
from autotransfer.models.open_set import OpenSet
from autotransfer.plugin.testing import tiny_source
from tests.unit.models.test_novelty import CENTRES, cloud

TABLE = np.linspace(0, 1, 45)  # from z = -4 to 5, so one half is at z = 0.5


def made(*, distances: bool = True) -> OpenSet:
    x, labels = cloud(200, 0, CENTRES)
    return OpenSet(Novelty.of(x, labels, distances=distances), TABLE, tiny_source(), found=True)


def test_an_image_is_rejected_where_it_is_more_probably_unknown_than_not() -> None:
    open_set, new = made(), np.concatenate([cloud(50, 1, CENTRES)[0], -cloud(50, 2, CENTRES)[0]])
    probability, out = open_set.judged(new)
    z = open_set.novelty.z(new)
    assert (out == (z > (LOWEST + HIGHEST) / 2)).all()
    assert 0 < out.sum() < 100
    assert (np.argsort(probability) == np.argsort(z)).mean() > 0.9


def test_nothing_is_rejected_where_no_unknown_image_was_found() -> None:
    probability, out = replace(made(), found=False).judged(-cloud(50, 2, CENTRES)[0])
    assert probability.max() > 0.5
    assert not out.any()


def test_later_images_are_judged_alike_after_a_reload() -> None:
    new = -cloud(50, 2, CENTRES)[0]
    for open_set in (made(), made(distances=False), replace(made(), found=False)):
        again = OpenSet.restored(open_set.tensors(), open_set.source)
        assert (again.novelty.references is None) == (open_set.novelty.references is None)
        before, after = open_set.judged(new), again.judged(new)
        assert after[0] == pytest.approx(before[0])
        assert (after[1] == before[1]).all()
