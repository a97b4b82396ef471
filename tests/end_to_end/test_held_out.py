"""Nothing learns from, looks at or scores a held-out item before the guard begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import override

import autotransfer
from autotransfer.data.holdout import Division, divide
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import Target, open_target
from autotransfer.guard.guard import Guard
from autotransfer.scenarios import labelled

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


class _Seal:
    """Whether the guard has begun."""

    broken = False


class _Sealed(ImageSet):
    """Images whose pixels and labels cannot be had while the seal holds."""

    seal: _Seal

    @override
    def read(
        self, index: int, min_side: int | None = None, depth: int | None = None
    ) -> Image.Image:
        assert self.seal.broken, "a held-out item was looked at before the guard"
        image: Image.Image = super().read(index, min_side, depth)
        return image

    @property
    @override
    def labels(self) -> NDArray[np.int64]:
        assert self.seal.broken, "a held-out label was read before the guard"
        return super().labels


def test_sealed_pixels_and_labels_are_never_touched_before_the_guard(
    target: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = _Seal()

    def sealing(opened: Target, **options: bool) -> Division:
        division = divide(opened, **options)
        assert division.held_out is not None
        sealed = _Sealed(
            division.held_out,
            range(len(division.held_out)),
            division.held_out.labels,
            division.held_out.class_names,
        )
        sealed.seal = seal
        return replace(division, held_out=sealed)

    decisions = Guard.decisions

    def begun(self: Guard, *arguments: object) -> object:
        seal.broken = True
        return decisions(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(labelled, "divide", sealing)
    monkeypatch.setattr(Guard, "decisions", begun)
    selection = autotransfer.fit(target, sources=catalogue, budget=autotransfer.Budget(trials=4))
    assert seal.broken
    assert selection.verdict.gap is not None
    assert selection.verdict.gap.n == 30
    assert not set(selection.kept.seen) & set(_digests(target))


def _digests(target: Path) -> tuple[str, ...]:
    sealed = open_target(target).held_out
    assert sealed is not None
    return sealed.digests
