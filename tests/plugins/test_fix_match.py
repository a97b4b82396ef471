from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typing_extensions import override

import autotransfer
from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidOptionError
from autotransfer.models.training import Step
from autotransfer.plugin.strategy import Trial
from autotransfer.plugin.testing import shapes, tiny_source, tiny_task
from autotransfer_adaptation.mme import Mme
from autotransfer_fine_tune.modalities import terms_of
from autotransfer_fix_match import (
    UNLABELLED_RATIO,
    Aligned,
    FixMatch,
    _objective,
    pseudo_loss,
)


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


def test_the_defaults_are_those_of_the_paper(tmp_path: Path) -> None:
    params = FixMatch().space(tiny_task(tmp_path).info).defaults()
    assert (params["threshold"], params["weight"]) == (0.95, 1.0)
    assert UNLABELLED_RATIO == 7


@pytest.mark.parametrize(
    ("modality", "weak", "strong"),
    [
        (Modality.IMAGE, "shift", "strong"),
        (Modality.TEXT, "words", "few words"),
        (Modality.SOUND, "gain", "masks"),
    ],
)
def test_each_kind_of_items_has_a_weak_and_a_strong_view(
    modality: Modality, weak: str, strong: str
) -> None:
    terms = terms_of(tiny_source(modality=modality))
    assert (terms.weak, terms.strong) == (weak, strong)
    assert (modality in FixMatch.on_request) == (modality is not Modality.IMAGE)
    assert FixMatch.on_request == Mme.on_request


class _Watched:
    """Views that note how many images are asked for, and a network that is sure of class 0."""

    def __init__(self, value: float) -> None:
        self.value, self.sizes = value, list[int]()

    def __len__(self) -> int:
        return 100

    def batch(self, positions: np.ndarray, _generator: np.random.Generator) -> torch.Tensor:
        self.sizes.append(len(positions))
        return torch.full((len(positions), 1), self.value)


def test_seven_weak_views_a_labelled_picture_make_the_labels_of_the_strong_ones() -> None:
    class Sign(torch.nn.Module):
        """Class 0 for positive inputs, class 1 for negative ones, at ten to one in nats."""

        @override
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([10 * x, -10 * x], dim=1)

    weak, strong = _Watched(1.0), _Watched(-1.0)
    network = Sign()
    made: Any = _objective
    objective = made(network, weak, strong, lambda p: p, threshold=0.95, weight=0.5)
    inputs, targets = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)
    generator = np.random.default_rng(0)
    loss = objective(Step(network, inputs, targets, np.arange(4), 0.0, generator))
    assert (weak.sizes, strong.sizes) == ([28], [28])
    # labelled images are right, 0 nats; strong views are 20 nats away from what the weak ones say
    assert loss.item() == pytest.approx(0.5 * 20.0, rel=1e-4)


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
            report=False,
        )
    assert selection.best.strategy == "fix-match"
    assert selection.best.value is not None
    with pytest.raises(InvalidOptionError, match="has no labels"):
        autotransfer.fit(
            pixels,
            source_data=(pixels, names),
            unlabelled=pixels,
            sources="small_cnn",
            report=False,
        )
