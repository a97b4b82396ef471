from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import autotransfer
from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.strategy import Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_fix_match import Aligned, FixMatch, pseudo_loss


def test_only_certain_pictures_count_and_all_divide() -> None:
    logits = torch.zeros(4, 2)
    probabilities = torch.tensor([[0.95, 0.05], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    assert pseudo_loss(logits, probabilities, 0.9).item() == pytest.approx(math.log(2) / 2)
    assert pseudo_loss(logits, probabilities, 0.99).item() == 0.0


def test_alignment_takes_back_a_class_that_is_predicted_too_often() -> None:
    aligned = Aligned(torch.tensor([0.5, 0.5]))
    skewed = torch.tensor([[0.8, 0.2]])
    for _ in range(400):
        found = aligned(skewed)
    np.testing.assert_allclose(found.numpy(), [[0.5, 0.5]], atol=1e-4)


def test_without_unlabelled_pictures_it_says_how_to_give_them(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    params = FixMatch().space(task.info).defaults()
    with pytest.raises(InvalidOptionError, match="--unlabelled"):
        FixMatch().fit(task, Trial(params, lambda _p, _q: None, None, 0))


def test_a_fit_hands_over_unlabelled_pictures_but_none_that_test_it() -> None:
    images = shapes(2, 30, seed=0)
    pixels = np.stack([np.asarray(images[i]) for i in range(60)])
    names = [images.class_names[label] for label in images.labels]
    with pytest.warns(UserWarning, match=r"^40 unlabelled image"):
        selection = autotransfer.fit(
            (pixels[10:50], [*names[10:50]]),
            unlabelled=pixels,
            sources="small_cnn",
            strategies=["fix-match"],
            budget="1 trials",
        )
    assert selection.best.strategy == "fix-match"
    assert selection.best.value is not None
    with pytest.raises(InvalidOptionError, match="has no labels"):
        autotransfer.fit(
            pixels, source_data=(pixels, names), unlabelled=pixels, sources="small_cnn"
        )
