"""Every parameter of every strategy changes what is learnt, or its space says where it does not.

A value without effect costs the search trials and tells the user of a choice that was none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autotransfer.data.modality import Modality
from autotransfer.models.backbone import load_backbone
from autotransfer.models.source import LocalWeights
from autotransfer.models.weights import write_state_dict
from autotransfer.plugin.registry import discover
from autotransfer.plugin.space import Parameter, SearchSpace
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import Workbench, tiny_readers
from autotransfer.results import ParamValue
from autotransfer_fine_tune.modalities import CONSERVATION

INSTALLED = {n: s for n, s in discover().strategies.items() if s.reads(Modality.IMAGE)}
BRIEF: Mapping[str, ParamValue] = {"effort": 0.02, "epochs": 3}  # every choice in seconds
DEEP: Mapping[str, ParamValue] = {"depth": 0.2}
# The probe is right and certain about all images here: training from it has no gradient.
COLD: Mapping[str, ParamValue] = {**DEEP, "warm_start": "none"}
LONG: Mapping[str, ParamValue] = {"effort": 0.3, "learning_rate_multiplier": 10.0}
# Where a parameter has an effect by its nature: there must be layers that learn and share
# something, and time to become certain of an image.
WHERE: Mapping[tuple[str, str], Mapping[str, ParamValue]] = {
    ("fine-tune", "layer_decay"): COLD,
    ("fine-tune", "window"): COLD,
    ("fine-tune", "conservation_strength"): COLD,
    ("fix-match", "threshold"): {**DEEP, "epochs": 20, "learning_rate_multiplier": 10.0},
    ("mme", "pseudo_weight"): {**LONG, "threshold": 0.6},
    ("mme", "threshold"): LONG,
    ("shot", "beta"): LONG,
    ("direct-self-training", "drop"): LONG,
    ("gradual-self-training", "drop"): LONG,
}
# What has an effect on other data alone: these have every class on both sides, and one companion.
# Multi-task starts from probes, which have nothing left to learn on these images.
BY_DATA = {
    ("dann", "class_shares"),
    ("multi-task", "source_weight"),
    ("multi-task", "projection"),
    ("multi-task", "batch_norm"),
}


def _pretrained(task: Task, folder: Path) -> Task:
    """Return the task with weights in a file: where nothing was trained, nothing is frozen."""
    file = folder / "weights.safetensors"
    sha256 = write_state_dict(file, load_backbone(task.source).network.state_dict())
    source = replace(task.source, weights=LocalWeights(file, sha256))
    readers = tiny_readers(folder / "features")
    return replace(
        task,
        source=source,
        features=readers[source],
        load_backbone=lambda: readers.load(source),
    )


class Fits:
    """What a strategy learns at points of its space, each fitted once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.strategy = name, INSTALLED[name]
        self._task = _pretrained(Workbench(self.strategy, folder).task(), folder)
        self.space: SearchSpace = self.strategy.space(self._task.info)
        self._known: dict[str, Mapping[str, Tensor]] = {}

    def at(self, point: Mapping[str, ParamValue]) -> Mapping[str, Tensor]:
        """Return the tensors of what is learnt; probabilities may differ too little."""
        key = repr(sorted(point.items()))
        if key not in self._known:
            trial = Trial(dict(point), lambda _p, _q: None, None, 0)
            self._known[key], _ = self.strategy.fit(self._task, trial).state()
        return self._known[key]

    def differ(self, one: Mapping[str, ParamValue], other: Mapping[str, ParamValue]) -> bool:
        """Return whether something else is learnt at two points."""
        first, second = self.at(one), self.at(other)
        return first.keys() != second.keys() or any(
            not torch.equal(value, second[name]) for name, value in first.items()
        )

    def base(self, **changes: ParamValue) -> dict[str, ParamValue]:
        """Return the default point, with a short training."""
        point = {**self.space.defaults(), **changes}
        return {
            n: BRIEF.get(n, value) if n not in changes else value for n, value in point.items()
        }

    def places(self, name: str) -> list[dict[str, ParamValue]]:
        """Return a point where a parameter has an effect, then one where it has none."""
        parameter, found = (
            self.space.parameters[name],
            self.base(**WHERE.get((self.name, name), {})),
        )
        for other, wanted in parameter.condition.items():
            found[other] = wanted[0] if wanted else self.space.parameters[other].values[-1]
        points = [found]
        for other, wanted in parameter.condition.items():
            values = self.space.parameters[other].values
            if off := [v for v in values if (v not in wanted if wanted else not v)]:
                points.append({**found, other: off[0]})
        return points[:2]


def _others(name: str, parameter: Parameter, now: ParamValue) -> list[ParamValue]:
    """Return the other choices, or the bounds; a training is not made long."""
    if name in BRIEF:
        return [2 * now]
    return [value for value in parameter.values if value != now]


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_every_parameter_changes_what_is_learnt_or_says_where_it_does_not(
    name: str, tmp_path: Path
) -> None:
    fits = Fits(name, tmp_path)
    silent = []
    for key, parameter in fits.space.parameters.items():
        place, *without = fits.places(key)
        others = _others(key, parameter, place[key])
        changes = [fits.differ(place, {**place, key: value}) for value in others]
        if (name, key) not in BY_DATA and others and not any(changes):
            silent.append(f"{key} has no effect")
        if without and others:
            (point,) = without
            if fits.differ(point, {**point, key: others[-1]}):
                silent.append(f"{key} has an effect where its condition says that it has none")
    assert silent == []


# The parameters of fine-tuning that could be in each other's way.
RIVALS: Mapping[str, tuple[ParamValue, ...]] = {
    "conservation": CONSERVATION[1:],
    "tuned": ("biases and norms", "low rank"),
    "mixup": (True,),
    "optimiser": ("sgd",),
    "label_smoothing": (0.1,),
    "head_multiplier": (10.0,),
    "back_to_source": (0.5,),
    "augmentation": ("flip",),
    "window": ("one stage",),
}


@pytest.mark.nightly
@pytest.mark.parametrize(("one", "other"), list(combinations(RIVALS, 2)))
def test_no_choice_of_fine_tuning_undoes_another(one: str, other: str, tmp_path: Path) -> None:
    fits = Fits("fine-tune", tmp_path)
    for first, second in product(RIVALS[one], RIVALS[other]):
        both = fits.base(**COLD, **{one: first, other: second})
        assert fits.differ(fits.base(**COLD, **{one: first}), both), (first, second)
        assert fits.differ(fits.base(**COLD, **{other: second}), both), (first, second)
