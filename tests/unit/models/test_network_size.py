from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from autotransfer.errors import InvalidSourceError
from autotransfer.models import network_size
from autotransfer.models.backbone import load_backbone
from autotransfer.models.network_size import LimitedNetwork
from autotransfer.models.source import LocalWeights
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.testing import tiny_source


def test_arguments_that_ask_for_far_more_than_the_weights_hold_are_refused(tmp_path: Path) -> None:
    plain, file = tiny_source(), tmp_path / "w.safetensors"
    sha256 = write_state_dict(file, load_backbone(plain).network.state_dict())
    kwargs = {**plain.kwargs, "num_classes": 10**6}
    source = replace(plain, weights=LocalWeights(file, sha256), kwargs=kwargs)
    with pytest.raises(
        InvalidSourceError, match=r"'num_classes': 1000000.* its weights hold [0-9]"
    ):
        load_backbone(source)


def test_a_network_without_weights_has_at_most_five_billion_numbers() -> None:
    source = replace(tiny_source(), architecture="test_vit", kwargs={"img_size": 10**6})
    with pytest.raises(InvalidSourceError, match="more than 5,000,000,000 numbers or"):
        load_backbone(source)


def test_a_network_of_very_many_small_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_size, "MOST_TENSORS", 20)
    with pytest.raises(InvalidSourceError, match="or 20 tensors"):
        load_backbone(tiny_source())


def test_what_a_calculation_between_two_tensors_would_make_is_refused() -> None:
    long = torch.zeros(10**6)
    with pytest.raises(InvalidSourceError, match="any would have"), LimitedNetwork("any", None):
        _ = long[:, None] - long[None, :]


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_network_within_the_limit_is_the_same_as_without_it(name: str) -> None:
    made = []
    for limit in (None, LimitedNetwork("any", {})):  # so little that only the allowance is left
        torch.manual_seed(0)
        if limit is None:
            made.append(timm.create_model(name).state_dict())
        else:
            with limit:
                made.append(timm.create_model(name).state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])
