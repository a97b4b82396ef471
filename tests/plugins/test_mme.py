from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import autotransfer
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidOptionError, UndefinedScoreError
from autotransfer.models.batch_order import Cycle
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer.results import Decision, State
from autotransfer_adaptation import mme, two_domains
from autotransfer_adaptation.cosine import TEMPERATURE, CosineHeaded
from autotransfer_adaptation.mme import Mme, adversarial_entropy
from autotransfer_adaptation.three_sets import ThreeSets, shared_source


def _headed(num_classes: int = 2) -> CosineHeaded:
    headed = CosineHeaded(nn.Identity(), 2, num_classes, seed=0)
    with torch.no_grad():
        headed.head.weight.copy_(torch.eye(num_classes, 2))
    return headed


def test_logits_are_cosines_over_the_temperature_whatever_the_length() -> None:
    headed = _headed()
    expected = torch.tensor([[0.6, 0.8]]) / TEMPERATURE
    torch.testing.assert_close(headed(torch.tensor([[3.0, 4.0]])), expected)
    torch.testing.assert_close(headed(torch.tensor([[30.0, 40.0]])), expected)


def test_prototypes_start_at_class_means_of_length_one() -> None:
    headed = _headed()
    rows = torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.0, 2.0]])
    headed.start_from_means(rows, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(headed.head.weight.data, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_the_entropy_of_an_undecided_picture_is_ln_2() -> None:
    headed = _headed()
    features = torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)]])
    assert adversarial_entropy(headed, features).item() == pytest.approx(-math.log(2), abs=1e-4)


def test_a_step_of_the_prototypes_raises_the_entropy_and_one_of_the_features_lowers_it() -> None:
    headed = _headed()
    angle = torch.tensor([math.pi / 4 + 0.02], requires_grad=True)
    features = torch.stack([angle.cos(), angle.sin()], dim=1)
    loss = adversarial_entropy(headed, features)
    of_prototypes, of_angle = torch.autograd.grad(loss, [headed.head.weight, angle])

    def entropy(weight: torch.Tensor, at: torch.Tensor) -> float:
        logits = torch.stack([at.cos(), at.sin()], dim=1) @ weight.T / TEMPERATURE
        shares = logits.softmax(dim=1)
        return float(-(shares * shares.log()).sum())

    weight, before = headed.head.weight.detach(), angle.detach()
    now = entropy(weight, before)
    assert entropy(weight - 1e-3 * of_prototypes, before) > now
    assert entropy(weight, before - 1e-3 * of_angle) < now


def test_every_picture_of_a_cycle_comes_once_before_any_comes_again() -> None:
    cycle = Cycle(5, seed=0)
    found = np.concatenate([cycle.next(2) for _ in range(5)])
    assert sorted(found[:5]) == sorted(found[5:]) == [0, 1, 2, 3, 4]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return replace(
        tiny_task(tmp_path / "cache"),
        unlabelled=shapes(3, 4, seed=3).without_labels(),
        source_images=_renamed(shapes(3, 4, seed=4)),
    )


def _renamed(images: ImageSet) -> ImageSet:
    """Return the same images, the classes in another order and one more beside them."""
    names = {"direction 0": "zeroth", "direction 1": "direction 2", "direction 2": "direction 1"}
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    labels = [names[images.class_names[k]] for k in images.labels]
    return open_target((pixels, labels), minimum_per_class=1).train


def test_source_classes_are_matched_by_name_and_others_left_out(task: Task) -> None:
    pictures = shared_source(task)
    sets = ThreeSets.of(task, pictures, 0, 1)
    assert len(pictures) == 8
    names = [task.class_names[k] for k in sets.source_labels]
    assert names == [pictures.class_names[k] for k in pictures.labels]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"unlabelled": None}, "--unlabelled"),
        ({"source_images": None}, "--source-data"),
    ],
)
def test_it_says_which_pictures_it_lacks(task: Task, changed: Any, message: str) -> None:
    params = Mme().space(task.info).defaults()
    with pytest.raises(InvalidOptionError, match=message):
        Mme().fit(replace(task, **changed), Trial(params, lambda _p, _q: None, None, 0))


def test_minimax_entropy_is_the_default_and_refused_where_no_feature_learns(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = Mme().space(task.info).defaults()
    assert params["alignment"] == "minimax entropy"
    assert params["alignment_weight"] == 1.0
    made = two_domains.planned

    def frozen(*arguments: Any) -> Any:
        headed, plan = made(*arguments)
        headed.suffix.requires_grad_(requires_grad=False)
        return headed, plan

    monkeypatch.setattr(mme, "planned", frozen)
    with pytest.raises(UndefinedScoreError, match="lower depth"):
        Mme().fit(task, Trial(params, lambda _p, _q: None, None, 0))


def test_source_pictures_of_other_classes_are_refused(task: Task) -> None:
    images = shapes(2, 4, seed=1)
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    other = open_target((pixels, ["cat", "dog"] * 4), minimum_per_class=1).train
    params = Mme().space(task.info).defaults()
    with pytest.raises(InvalidOptionError, match="cat, dog"):
        Mme().fit(replace(task, source_images=other), Trial(params, lambda _p, _q: None, None, 0))


@pytest.mark.nightly  # test_fix_match.py has the same fit
def test_a_fit_with_source_few_labels_and_unlabelled_pictures_is_tested(tmp_path: Path) -> None:
    def arrays(per_class: int, seed: int) -> tuple[np.ndarray, list[str]]:
        images = shapes(2, per_class, seed=seed)
        pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
        return pixels, [images.class_names[k] for k in images.labels]

    space = tmp_path / "short.toml"
    space.write_text("[mme]\neffort = {low = 0.01, high = 0.1, default = 0.02}\n")
    selection = autotransfer.fit(
        arrays(8, 0),
        source_data=arrays(15, 1),
        unlabelled=arrays(15, 2)[0],
        sources="small_cnn",
        strategies=["mme"],
        budget="1 trials",
        space=str(space),
        report=False,
    )
    assert selection.best.strategy == "mme"
    assert all(o.state is State.COMPLETE for o in selection.outcomes)
    assert selection.verdict.decision is not Decision.UNVERIFIED
    assert selection.verdict.test is not None
