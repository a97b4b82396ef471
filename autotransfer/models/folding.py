"""Batch norms folded into the convolutions before them: the same features in less time.

In evaluation a batch norm is one affine map per channel, and so is what a convolution can take
over (Markuš, "Fusing batch normalization and convolution in runtime", 2018). MobileNets take
about three quarters of the time without them; `tests/benchmarks/folded_passes.py` measures it.
"""

from __future__ import annotations

import copy
from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from autotransfer.models.backbone import Backbone, StageFeatures

_TOLERANCE = 1e-4  # of the largest value; rounding stays far below


def folded(backbone: Backbone) -> Backbone:
    """Return a frozen copy without the batch norms that follow a convolution.

    Which ones do is seen in a pass. Where any output of the copy differs from those of the
    network, because something else reads what is between the two, the network itself is returned.

    Args:
        backbone: A network in evaluation; it stays as it is.
    """
    pairs = _pairs(backbone)
    if not pairs:
        return backbone
    lighter = copy.deepcopy(backbone).requires_grad_(requires_grad=False)
    for before, norm in pairs:
        _fold(lighter, before, norm)
    lighter.to(memory_format=torch.channels_last)
    sample = backbone.sample()
    with torch.inference_mode():
        same = _same(lighter.features(sample), backbone.features(sample))
    return lighter if same else backbone


def _pairs(backbone: Backbone) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the norms that read their output.

    What is called more than once in a pass is left out.
    """
    from timm.layers import BatchNormAct2d

    made_by: dict[int, str] = {}
    outputs: list[Tensor] = []  # kept, so that no other tensor takes their identity
    calls: list[tuple[str, str]] = []

    def note(name: str, _module: nn.Module, _args: Any, output: Tensor) -> None:
        made_by[id(output)] = name
        outputs.append(output)

    def ask(name: str, _module: nn.Module, args: tuple[Any, ...]) -> None:
        before = made_by.get(id(args[0])) if args else None
        if before is not None:
            calls.append((before, name))

    handles = []
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(partial(note, name)))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d) and module.running_var is not None:
            handles.append(module.register_forward_pre_hook(partial(ask, name)))
    try:
        with torch.inference_mode():
            backbone(backbone.sample(1))
    finally:
        for handle in handles:
            handle.remove()
    used = Counter(name for pair in calls for name in pair)
    return [pair for pair in calls if used[pair[0]] == used[pair[1]] == 1]


def _fold(backbone: Backbone, before: str, norm: str) -> None:
    from timm.layers import BatchNormAct2d

    layer, affine = backbone.get_submodule(before), backbone.get_submodule(norm)
    assert isinstance(layer, nn.Conv2d)
    assert isinstance(affine, nn.BatchNorm2d)
    rest = [affine.drop, affine.act] if isinstance(affine, BatchNormAct2d) else []
    backbone.set_submodule(before, fuse_conv_bn_eval(layer, affine))
    backbone.set_submodule(norm, nn.Sequential(*rest))


def _same(found: StageFeatures, expected: StageFeatures) -> bool:
    return all(
        float((a - b).abs().max()) <= _TOLERANCE * max(float(b.abs().max()), 1e-12)
        for a, b in zip(_outputs(found), _outputs(expected), strict=True)
    )


def _outputs(features: StageFeatures) -> list[Tensor]:
    head = [] if features.probabilities is None else [features.probabilities]
    return [*features.pooled, *head]
