from __future__ import annotations

import inspect
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timm.models import _builder, _factory

from autotransfer.errors import InvalidSourceError
from autotransfer.models.architecture import ARGUMENTS
from autotransfer.models.backbone import load_backbone
from autotransfer.models.source import source_from_json, source_to_json
from autotransfer.plugin.testing import tiny_source

DOCS = Path(__file__).parents[3] / "docs" / "howto" / "own-weights.md"
REFUSED: list[dict[str, Any]] = [
    {"checkpoint_path": "evil.pth"},
    {"pretrained_cfg": {"file": "evil.pth"}},
    {"pretrained_cfg_overlay": {"url": "http://127.0.0.1/evil.pth"}},
    {"pretrained": True},
    {"cache_dir": "elsewhere"},
    {"scriptable": True},
    {"model_name": "resnet18"},
    {"feature_cls": "fx"},
    {"num_classes": 10**9},
    {"num_classes": float("nan")},
    {"num_classes": "many"},
    {"in_chans": 0},
    {"drop_rate": float("nan")},
    {"act_layer": "x" * 1000},
    {"act_layer": print},
    {"block_config": {"file": "x"}},
    {"channels": [1] * 1000},
    {"channels": [[[[8]]]]},
]


def test_no_argument_of_the_loading_of_weights_is_allowed() -> None:
    loading = (_factory.create_model, _builder.build_model_with_cfg, _builder.load_pretrained)
    of_timm = {name for function in loading for name in inspect.signature(function).parameters}
    assert ARGUMENTS & of_timm == {"num_classes", "in_chans"}
    assert not [name for name in ARGUMENTS if "pretrained" in name or name.endswith("_path")]


@pytest.mark.parametrize("arguments", REFUSED, ids=str)
def test_a_source_takes_only_what_describes_its_architecture(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidSourceError, match="in kwargs"):
        replace(tiny_source(), kwargs=arguments)


@pytest.mark.parametrize("arguments", [{"checkpoint_path": "evil.pth"}, {"num_classes": 10**9}])
def test_a_source_in_a_file_is_checked_like_one_in_memory(arguments: dict[str, Any]) -> None:
    stored = source_to_json(tiny_source()) | {"kwargs": arguments}
    with pytest.raises(ValueError, match="in kwargs"):
        source_from_json(stored)


def test_a_source_that_was_unpickled_is_checked_before_timm_sees_it(tmp_path: Path) -> None:
    source = tiny_source()
    source.__dict__["kwargs"] = {"checkpoint_path": str(tmp_path / "evil.pth")}
    with pytest.raises(InvalidSourceError, match="'checkpoint_path' is not allowed"):
        load_backbone(pickle.loads(pickle.dumps(source)))  # noqa: S301


def test_an_allowed_argument_that_the_architecture_does_not_take_is_one_line() -> None:
    with pytest.raises(InvalidSourceError, match="test_resnet does not take") as caught:
        load_backbone(replace(tiny_source(), kwargs={"act_layer": "none of timm's"}))
    assert "\n" not in str(caught.value)


def test_the_allowed_arguments_are_in_the_documents() -> None:
    listed = DOCS.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    assert set(listed.split()) == ARGUMENTS
