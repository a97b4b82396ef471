from __future__ import annotations

import numpy as np

from autotransfer.labelling.suggestion import divided, mixed, reserved
from autotransfer.plugin.testing import shapes


def test_what_is_drawn_at_random_depends_on_content_alone_and_is_never_open_to_choice() -> None:
    images = shapes(3, 40, seed=1)
    kept = reserved(images)
    assert 0.2 < kept.mean() < 0.45
    shuffled = np.random.default_rng(0).permutation(len(images))
    assert reserved(images.subset(shuffled)).tolist() == kept[shuffled].tolist()
    random, wanted = divided(images, 30)
    assert len(random) == 10
    assert wanted == 20
    assert kept[random].all()


def test_rounds_go_on_where_the_last_one_ended() -> None:
    images = shapes(3, 40, seed=1)
    first, _ = divided(images, 30)
    both, _ = divided(images, 60)
    left = np.setdiff1d(np.arange(len(images)), first)
    second, _ = divided(images.subset(left), 30)
    assert sorted(both) == sorted([*first, *left[second]])


def test_the_order_does_not_tell_which_images_test() -> None:
    images = shapes(2, 30, seed=1)
    asked = mixed(images, np.arange(10), list(range(20, 40)), {25: "perhaps a new class"}, 0)
    drawn = [one.drawn for one in asked]
    assert sorted(drawn) == ["chosen"] * 20 + ["random"] * 10
    assert drawn != sorted(drawn)
    assert {one.image: one.cluster for one in asked}[images.names[25]] == "perhaps a new class"
