from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from autotransfer.data.images.views import View

DIGESTS = [f"{number:064x}" for number in (1 << 220, 2 << 220, 3 << 220)]


def _pixels() -> Tensor:
    """Three images whose pixels are all different from grey."""
    rows = torch.arange(3 * 3 * 32 * 32, dtype=torch.int64).reshape(3, 3, 32, 32)
    return (rows % 100).to(torch.uint8)


@pytest.mark.parametrize("kind", ["shift", "strong"])
def test_a_view_hangs_on_image_and_number_alone(kind: str) -> None:
    pixels = _pixels()
    found = View(kind, 1).apply(pixels, DIGESTS)
    assert (found.shape, found.dtype) == (pixels.shape, torch.uint8)
    torch.rand(3)
    alone = View(kind, 1).apply(pixels[1:2], DIGESTS[1:2])
    assert torch.equal(found[1:2], alone)
    assert not torch.equal(found, View(kind, 2).apply(pixels, DIGESTS))


def test_a_shift_moves_by_an_eighth_at_most_and_may_flip() -> None:
    image = torch.full((1, 3, 32, 32), 20, dtype=torch.uint8)
    image[:, :, 16, 10] = 200
    columns = set()
    for number in range(60):
        found = View("shift", number).apply(image, DIGESTS[:1])
        row, column = np.argwhere(found[0, 0].numpy() == 200)[0]
        assert abs(row - 16) <= 4
        assert min(abs(column - 10), abs(column - 21)) <= 4
        columns.add(abs(column - 10) <= 4)
    assert columns == {True, False}


def test_a_strong_view_has_a_grey_square_of_a_quarter_of_the_image_at_most() -> None:
    pixels = _pixels()[:1]
    shares = []
    for number in range(40):
        weak, strong = (View(k, number).apply(pixels, DIGESTS[:1]) for k in ("shift", "strong"))
        assert not torch.equal(weak, strong)
        shares.append(float((strong == 127).all(dim=1).float().mean()))
    assert min(shares) >= 0.01 * 0.8
    assert np.median(shares) < 0.35
