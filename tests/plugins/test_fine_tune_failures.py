from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autotransfer_fine_tune
from autotransfer.data.splitting import Fold
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.models.training import Step
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.results import Outcome, State
from autotransfer.search.cross_validation import LabelledContext, run_trial
from autotransfer.search.trial import TrialSpec
from autotransfer_fine_tune import FineTune


def _outcome(cache: Path, source: Source | None = None, **params: Any) -> Outcome:
    images, source = shapes(2, 6), source or tiny_source()
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    context = LabelledContext(images, (fold,), None, tiny_readers(cache), metric_named("accuracy"))
    strategy = FineTune()
    space = strategy.space(context.task(source, images).info)
    point = {**space.defaults(), "epochs": 3, **params}
    spec = TrialSpec(0, source, strategy, point, 0, None)
    return run_trial(spec, context).outcome


def _replaced(monkeypatch: pytest.MonkeyPatch, loss: Any) -> None:
    monkeypatch.setattr(autotransfer_fine_tune, "objective", lambda *_: loss)


def test_a_loss_that_is_not_a_number_fails_the_trial_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(step: Step) -> torch.Tensor:
        return step.network(step.inputs).sum() * float("nan")  # type: ignore[no-any-return]

    _replaced(monkeypatch, broken)
    found = _outcome(tmp_path)
    assert found.state is State.FAILED
    assert "the training loss became nan; try a lower rate" in found.reason


def test_running_out_of_memory_fails_the_trial_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(_step: Step) -> torch.Tensor:
        raise torch.OutOfMemoryError("tried to allocate 20 GiB")

    _replaced(monkeypatch, greedy)
    found = _outcome(tmp_path)
    assert found.state is State.FAILED
    assert "OutOfMemoryError: tried to allocate 20 GiB" in found.reason


@pytest.mark.parametrize("kind", ["distillation", "co-tuning"])
def test_a_source_without_a_head_that_has_to_distil_fails_with_what_to_choose(
    tmp_path: Path, kind: str
) -> None:
    headless = replace(tiny_source(), kwargs={"num_classes": 0})
    found = _outcome(tmp_path, headless, conservation=kind)
    assert found.state is State.FAILED
    assert "has no linear classifier of its own; choose a conservation" in found.reason


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_trial_names_the_stages_it_used(tmp_path: Path, optimiser: str) -> None:
    found = _outcome(tmp_path, depth=0.6, optimiser=optimiser)
    assert found.state is State.COMPLETE, found.error
    assert found.layers is not None
    assert (found.layers.stage, found.layers.copied, found.layers.tuned) == (5, 5, 2)
