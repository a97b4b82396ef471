"""Fine-tunes and further training of MiniLM beside its probe, at several numbers of labels.

    python -m tests.benchmarks.texts_fine_tuned KIT [--only NAME] [--labels N...] [--draws N]
        [--methods NAME...]

Prints a row for each data set and number of labels: accuracy in percent and log loss in nats of
the logistic probe on centred rows of length one, of fine-tunes, of contrastive tuning, of
continued pretraining on all training texts without their labels, and of the mean of the
probabilities of the probe and the default fine-tune, means over draws of the training texts; then
the seconds of one training. `docs/benchmarks/texts.md` has the table.
Needs the kit's banking20, clinc15_open and minilm_l6; two cores, no GPU.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads import fit_logistic
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.results import ParamValue, ScenarioKind
from autotransfer_continued_pretraining import ContinuedPretraining
from autotransfer_fine_tune import FineTune
from autotransfer_set_fit import SetFit
from tests.benchmarks.texts import DATA, UNKNOWN, drawn, share_right

DEFAULT = "last 2 layers"
LOW_RANK: Mapping[str, ParamValue] = {
    "depth": 0.5,
    "tuned": "low rank",
    "learning_rate_multiplier": 10.0,
}
TUNED: Mapping[str, tuple[Strategy, Mapping[str, ParamValue]]] = {
    DEFAULT: (FineTune(), {}),
    "last 3 layers": (FineTune(), {"depth": 0.5}),
    "low rank, last 3": (FineTune(), LOW_RANK),
    "set-fit": (SetFit(), {}),
    "continued": (ContinuedPretraining(), {}),
    "continued, a quarter": (ContinuedPretraining(), {"effort": 0.25}),
    "continued, thrice the rate": (ContinuedPretraining(), {"learning_rate_multiplier": 3.0}),
}


def of_draw(
    kit: Path, name: str, per_class: int, draw: int, methods: Collection[str]
) -> dict[str, tuple[float, ...]]:
    """Return accuracy, log loss and seconds of each method."""
    source = source_of_folder(kit / "weights" / "minilm_l6")
    cpu = torch.device("cpu")
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, cpu)
    rows = pd.read_csv(kit / "data" / f"{name}.csv")
    target = open_target(rows[rows["split"] != UNKNOWN])
    tested = target.held_out
    assert tested is not None
    learnt = target.train.subset(drawn(target.train, per_class, draw))
    task = Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=learnt.class_names,
        train=learnt,
        features=readers[source],
        device=cpu,
        load_backbone=lambda: load_backbone(source),
        unlabelled=target.train.without_labels(),
    )
    probe = _probe(task, tested)
    found: dict[str, tuple[float, ...]] = {"probe": (*_scores(probe, tested), 0.0)}
    for title, (strategy, changes) in TUNED.items():
        if title not in methods:
            continue
        began = time.perf_counter()
        params = {**strategy.space(task.info).defaults(), **changes}
        predictor = strategy.fit(task, Trial(params, _ignore, None, draw))
        seconds = time.perf_counter() - began
        said = predictor.predict(tested, task.features)
        found[title] = (*_scores(said, tested), seconds)
        if title == DEFAULT:
            found["probe and fine-tune"] = (*_scores((probe + said) / 2, tested), seconds)
    return found


def _probe(task: Task, tested: ImageSet) -> NDArray[np.float64]:
    x, unseen = task.features(task.train), task.features(tested)
    centre = x.mean(axis=0)
    head = fit_logistic(unit_rows(x - centre), task.train.labels, len(task.class_names))
    return head.probabilities(unit_rows(unseen - centre))


def _scores(said: NDArray[np.float64], tested: ImageSet) -> tuple[float, float]:
    own = said[np.arange(len(said)), tested.labels]
    return 100 * share_right(said, tested), float(-np.log(np.maximum(own, 1e-12)).mean())


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--only", choices=DATA)
    parser.add_argument("--labels", type=int, nargs="+", default=[5, 40])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--methods", choices=TUNED, nargs="+", default=list(TUNED))
    given = parser.parse_args()
    for name in [given.only] if given.only else DATA:
        for per_class in given.labels:
            every: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
            for draw in range(given.draws):
                found = of_draw(given.kit, name, per_class, draw, given.methods)
                for title, values in found.items():
                    every[title].append(values)
                means = {title: np.mean(values, axis=0) for title, values in every.items()}
                told = "  ".join(
                    f"{title} {m[0]:.1f} {m[1]:.3f} {m[2]:.0f} s" for title, m in means.items()
                )
                print(f"{name} {per_class}, {draw + 1} draws: {told}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
