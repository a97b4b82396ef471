"""Batches of several lengths as one batch."""

from __future__ import annotations

import numpy as np
import torch

from autotransfer.models.activation_memory import put_together


def test_batches_of_several_lengths_are_filled_up_with_zeros_at_the_end() -> None:
    short, long = torch.ones(1, 2, 1), 2 * torch.ones(2, 2, 3)
    found = put_together([short, long])
    assert found.shape == (3, 2, 3)
    assert found[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert torch.equal(found[1:], long)


def test_rows_come_to_the_places_that_are_named() -> None:
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0]])
    found = put_together([first, second], [np.array([2, 0]), np.array([1])])
    assert found.flatten().tolist() == [2, 3, 1]
