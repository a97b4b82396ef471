"""The global generators of random numbers, which no strategy may touch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_UNUSUAL_SEED = 7_654_321


def generator_states() -> dict[str, object]:
    """Return the state of every global generator, by whose it is."""
    return {
        "torch's": torch.get_rng_state().tolist(),
        "Python's": random.getstate(),
        "numpy's": repr(np.random.get_state()),  # noqa: NPY002 - the global one
    }


@contextmanager
def disturbed_generators() -> Iterator[None]:
    """Bring the global generators to a state that no strategy seeds, and back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    try:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(_UNUSUAL_SEED)
            random.seed(_UNUSUAL_SEED)
            np.random.seed(_UNUSUAL_SEED)  # noqa: NPY002 - the global one
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - the global one
