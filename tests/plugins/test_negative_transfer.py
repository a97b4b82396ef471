"""From the input to the output: sources that hurt, and what the user gets all the same.

As a script it prints the figures of the documents:

    python -m tests.plugins.test_negative_transfer [--seeds 20]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import autotransfer
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import AutotransferWarning
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.registry import discover
from autotransfer.search.cross_validation import LabelledContext
from tests.plugins.digits_transfer import KINDS, DigitsTransfer

ACCURACY = metric_named("accuracy")
STRATEGIES = ("feature-extraction", "fine-tune")


@dataclass(frozen=True)
class Ending:
    """What a fit returned, on 500 images that it never saw.

    Args:
        lost: Accuracy of the best baseline less that of what is returned.
        decision: The verdict.
        returned: "transfer" or "baseline".
    """

    lost: float
    decision: str
    returned: str


def fitted(folder: Path, kind: str, seed: int, *, held_out: bool) -> Ending:
    """Return how a fit from one source ends, at five labels a class."""
    world = DigitsTransfer(folder / "world", seed)
    task = world.task(kind, 5)
    train, test = world.images(5)
    target: object = train
    if held_out:
        target = folder / "digits.npz"
        np.savez(
            target,
            x_train=_pixels(train),
            y_train=train.labels,
            x_test=_pixels(test),
            y_test=test.labels,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AutotransferWarning)
        selection = autotransfer.fit(
            target,
            sources=[task.source],
            strategies=STRATEGIES,
            budget=autotransfer.Budget(trials=6),
            seed=seed,
            name=f"fit-{kind}-{seed}-{held_out}".replace(" ", "-"),
            report=False,
        )
    context = LabelledContext(train, (), None, world.readers, ACCURACY)
    baselines = Baselines(
        context, task.source, BaselineCache(discover(), folder / "baselines"), seed, None
    )
    stand = EvaluationSplit(((train, test),), np.arange(len(test)), HELD_OUT_ITEMS)
    trained = [b for b in baselines.on(stand) if not b.rival]
    best = max(ACCURACY.score(test.labels, b.probabilities) for b in trained)
    got = ACCURACY.score(test.labels, selection.predict_proba(test))
    return Ending(best - got, str(selection.verdict.decision), selection.verdict.returned)


def _pixels(images: ImageSet) -> np.ndarray:
    return np.stack([np.asarray(images[i]) for i in range(len(images))])


@pytest.fixture
def one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread", "mlflow_tables")
@pytest.mark.parametrize(
    ("held_out", "seeds"),
    [
        pytest.param(False, 1, marks=pytest.mark.slow),
        pytest.param(True, 4, marks=pytest.mark.nightly),  # the script runs twenty
        pytest.param(False, 4, marks=pytest.mark.nightly),
    ],
)
def test_a_source_that_hurts_costs_the_user_next_to_nothing(
    tmp_path: Path, seeds: int, *, held_out: bool
) -> None:
    found = []
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.append(fitted(folder, "mis-scaled", seed, held_out=held_out))
    if held_out:
        assert all(f.decision == "negative" or f.returned == "baseline" for f in found), found
    assert np.mean([f.lost for f in found]) <= 0.03, found


def main() -> int:
    """Print one line for each kind of source and each way to test."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sys.stdout.write(
        "| source | tested on | lost on average | lost more than 5 points | baseline returned |\n"
        "|---|---|---|---|---|\n"
    )
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        os.environ["AUTOTRANSFER_CACHE"] = temporary
        for held_out in (True, False):
            for kind in KINDS:
                sys.stdout.write(_line(Path(temporary), kind, given.seeds, held_out=held_out))
                sys.stdout.flush()
    return 0


def _line(folder: Path, kind: str, seeds: int, *, held_out: bool) -> str:
    found = []
    for seed in range(seeds):
        place = folder / f"{kind}-{seed}-{held_out}"
        place.mkdir()
        found.append(fitted(place, kind, seed, held_out=held_out))
    lost = np.array([f.lost for f in found])
    safe = np.mean([f.decision == "negative" or f.returned == "baseline" for f in found])
    return (
        f"| {kind} | {'500 held_out images' if held_out else '25 images, out of fold'} "
        f"| {100 * lost.mean():+.1f} | {100 * (lost > 0.05).mean():.0f} % "
        f"| {100 * safe:.0f} % |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
