"""Fine-tunes of a speaker encoder beside its probes, on digits by speaker and speakers by digit.

    python -m tests.benchmarks.sounds_fine_tuned KIT CATALOGUE [--only digits|speakers]
        [--methods NAME...] [--source NAME]

CATALOGUE is docs/examples/sound_networks.toml with the kit's weights beside it. Five sounds a
class are drawn from all groups but one, which is tested: for the digits a speaker, for the
speakers a digit. Prints accuracy in percent and log loss in nats, means over the groups, and the
seconds of one training. One draw; two cores, no GPU. `docs/benchmarks/sounds.md` has the table.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.heads import fit_logistic
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.spectra import fit_spectra
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ParamValue, ScenarioKind
from autotransfer_fine_tune import FineTune
from tests.benchmarks.sounds import PLUGIN

PER_CLASS, CASES = 5, ("digits", "speakers")
DEFAULT = "tuned"
TUNED: Mapping[str, Mapping[str, ParamValue]] = {
    DEFAULT: {},
    "rate x 0.3": {"learning_rate_multiplier": 0.3},
    "rate x 3": {"learning_rate_multiplier": 3.0},
    "rate x 10": {"learning_rate_multiplier": 10.0},
    "20 epochs, x 3": {"epochs": 20, "learning_rate_multiplier": 3.0},
    "low rank, x 10": {"tuned": "low rank", "learning_rate_multiplier": 10.0},
    "biases, x 10": {"tuned": "biases and norms", "learning_rate_multiplier": 10.0},
    "L2-SP": {"conservation": "l2-sp"},
    "half way back": {"back_to_source": 0.5},
    "gain": {"augmentation": "gain"},
    "crop": {"augmentation": "crop"},
    "masks": {"augmentation": "masks"},
}


def _cases(kit: Path, name: str) -> tuple[ImageSet, NDArray[np.str_]]:
    """Return the labelled sounds of a case, and the group of each."""
    items = open_target(kit / "data" / "spoken_digits.zip").train
    speakers = np.array([Path(path).stem.split("_")[0] for path in items.names])
    if name == "digits":
        return items, speakers
    names, labels = np.unique(speakers, return_inverse=True)
    digits = np.array([Path(path).parent.name for path in items.names])
    return ImageSet(items.reader, items.positions, labels, tuple(map(str, names))), digits


def of_group(
    items: ImageSet,
    tested: ImageSet,
    source: Source,
    readers: FeatureReaders,
    methods: Collection[str],
) -> dict[str, tuple[float, ...]]:
    """Return accuracy, log loss and seconds of each method.

    Args:
        items: What is learnt from.
        tested: Of a group of which nothing is learnt.
        source: The network.
        readers: Its features.
        methods: Names in `TUNED`.
    """
    classes, found = items.class_names, dict[str, tuple[float, ...]]()
    spectra = fit_spectra(items, len(classes), seed=0).predict(tested, NO_FEATURES)
    found["spectra"] = (*_scores(spectra, tested), 0.0)
    reader = readers[source]
    said = np.empty(0)
    for i, stage in enumerate(reader.backbone.stages, start=1):
        x, unseen = reader(items, i), reader(tested, i)
        centre = x.mean(axis=0)
        head = fit_logistic(unit_rows(x - centre), items.labels, len(classes))
        said = head.probabilities(unit_rows(unseen - centre))
        found[f"probe, {stage.module}"] = (*_scores(said, tested), 0.0)
    task = _task(items, source, readers)
    for title in methods:
        tuned, seconds = _tuned(task, tested, TUNED[title])
        found[title] = (*_scores(tuned, tested), seconds)
        if title == DEFAULT:
            found["tuned and probe"] = (*_scores((tuned + said) / 2, tested), seconds)
    if DEFAULT in methods:
        small = _task(items, small_sound_source(), readers)
        nothing: Mapping[str, ParamValue] = {
            "epochs": 30,
            "learning_rate_multiplier": 10.0,
            "warm_start": "none",
        }
        tuned, seconds = _tuned(small, tested, nothing)
        found["small network, no source"] = (*_scores(tuned, tested), seconds)
    return found


def _task(items: ImageSet, source: Source, readers: FeatureReaders) -> Task:
    return Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=items.class_names,
        train=items,
        features=readers[source],
        device=torch.device("cpu"),
        load_backbone=lambda: load_backbone(source),
    )


def _tuned(
    task: Task, tested: ImageSet, changes: Mapping[str, ParamValue]
) -> tuple[NDArray[np.float64], float]:
    began, strategy = time.perf_counter(), FineTune()
    params = {**strategy.space(task.info).defaults(), **changes}
    predictor = strategy.fit(task, Trial(params, _ignore, None, 0))
    seconds = time.perf_counter() - began
    return predictor.predict(tested, task.features), seconds


def _scores(said: NDArray[np.float64], tested: ImageSet) -> tuple[float, float]:
    own = said[np.arange(len(said)), tested.labels]
    right = float((said.argmax(axis=1) == tested.labels).mean())
    return 100 * right, float(-np.log(np.maximum(own, 1e-12)).mean())


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--source", default="speaker")
    parser.add_argument("--methods", choices=TUNED, nargs="+", default=[DEFAULT])
    given = parser.parse_args()
    discover(files=[PLUGIN])
    source = next(s for s in read_catalogue(given.catalogue)[0] if s.name == given.source)
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    for case in [given.only] if given.only else CASES:
        items, groups = _cases(given.kit, case)
        every: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
        for group in np.unique(groups):
            rng = np.random.default_rng(0)
            classes = range(len(items.class_names))
            allowed = [np.flatnonzero((groups != group) & (items.labels == k)) for k in classes]
            drawn = np.concatenate([rng.permutation(rows)[:PER_CLASS] for rows in allowed])
            tested = items.subset(np.flatnonzero(groups == group))
            found = of_group(items.subset(drawn), tested, source, readers, given.methods)
            for title, values in found.items():
                every[title].append(values)
        for title, rows in every.items():
            right, loss, seconds = np.mean(rows, axis=0)
            print(f"{case}: {title}: {right:.1f} {loss:.3f} {seconds:.1f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
