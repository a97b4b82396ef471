"""A few labels and many unlabelled images, with and without source images.

    python tests/benchmarks/few_labels.py KIT RESULTS.jsonl [--cells NAME ...] [--seeds N]
        [--methods NAME ...] [--table]

One line of RESULTS.jsonl is one strategy at one point on one cell and seed, scored on target
images that were given to nobody; what is there already is not run again. `--table` prints the
table of docs/unlabelled.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry, discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ParamValue, ScenarioKind

SMALL = "small_cnn"
MOBILE = "mobilenetv1-050-imagenet"


@dataclass(frozen=True)
class Cell:
    """A target with few labels.

    Args:
        name: Name of the cell.
        target: Images of the kit; a folder within an archive after a slash.
        source_data: Labelled source images; empty where there are none.
        network: The source.
        labels: Labels a class.
        unlabelled: Most unlabelled target images.
        tested: Most images that score.
        sources: Most source images.
    """

    name: str
    target: str
    source_data: str
    network: str
    labels: int
    unlabelled: int = 1500
    tested: int = 1000
    sources: int = 3000


CELLS = (
    Cell("mnist -> mnistm", "mnistm.npz", "mnist.npz", SMALL, 3),
    Cell("usps -> mnist", "mnist.npz", "usps.npz", SMALL, 3),
    Cell("photo -> sketch", "pacs.zip/sketch", "pacs.zip/photo", MOBILE, 3, tested=100),
    Cell(
        "photo -> art_painting", "pacs.zip/art_painting", "pacs.zip/photo", MOBILE, 3, tested=100
    ),
    Cell("eurosat", "eurosat.zip/train", "", MOBILE, 5, tested=300),
    Cell("flowers5", "flowers5.zip/train", "", MOBILE, 5, tested=300),
)
CONFUSION = {"alignment": "class confusion"}
POINTS: Mapping[str, tuple[str, Mapping[str, ParamValue]]] = {
    "probe": ("feature-extraction", {}),
    "probe, all stages": ("feature-extraction", {"stages": "all"}),
    "fine-tune": ("fine-tune", {}),
    "fix-match": ("fix-match", {}),
    "continued pretraining": ("continued-pretraining", {}),
    "the same, ten times the rate": ("continued-pretraining", {"learning_rate_multiplier": 10.0}),
    "multi-task": ("multi-task", {}),
    "source + target": ("mme", {"alignment_weight": 0.0}),
    "mme alone": ("mme", {}),
    "fix-match over it alone": ("mme", {"alignment_weight": 0.0, "pseudo_weight": 1.0}),
    "mme with fix-match": ("mme", {"pseudo_weight": 1.0}),
    "class confusion": ("mme", CONFUSION),
    "class confusion with fix-match": ("mme", {**CONFUSION, "pseudo_weight": 1.0}),
}


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--cells", nargs="*", default=[cell.name for cell in CELLS])
    parser.add_argument("--methods", nargs="*", default=list(POINTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        print(*table(_read(chosen.results)), sep="\n")  # noqa: T201
        return
    torch.set_num_threads(1)
    registry = discover(files=[chosen.kit / "weights" / "timm_extra.py"])
    for seed in range(chosen.seeds):
        for cell in CELLS:
            if cell.name in chosen.cells:
                _run(cell, seed, chosen, registry)


def _run(cell: Cell, seed: int, chosen: argparse.Namespace, registry: Registry) -> None:
    done = {(row["cell"], row["seed"], row["method"]) for row in _read(chosen.results)}
    missing = [
        name
        for name in _fitting(cell, registry)
        if name in chosen.methods and (cell.name, seed, name) not in done
    ]
    if not missing:
        return
    task, tested, truth = _task(cell, seed, chosen)
    for name in missing:
        strategy, changed = registry.strategy(POINTS[name][0]), POINTS[name][1]
        params = {**strategy.space(task.info).defaults(), **changed}
        began = time.perf_counter()
        predictor = strategy.fit(task, Trial(params, lambda _p, _q: None, None, seed))
        hits = predictor.predict(tested, task.features).argmax(axis=1) == truth
        row = {
            "cell": cell.name,
            "labels": cell.labels,
            "seed": seed,
            "method": name,
            "accuracy": float(hits.mean()),
            "n": len(hits),
            "seconds": time.perf_counter() - began,
        }
        with chosen.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(cell.name, seed, name, f"{hits.mean():.3f}", flush=True)  # noqa: T201


def _fitting(cell: Cell, registry: Registry) -> Iterator[str]:
    """Return the methods that a cell has everything for."""
    for name, (strategy, _) in POINTS.items():
        needs_source = "source images" in registry.strategy(strategy).needs
        reads_features = not registry.strategy(strategy).trains
        if (needs_source and not cell.source_data) or (reads_features and cell.network == SMALL):
            continue
        yield name


def _task(
    cell: Cell, seed: int, chosen: argparse.Namespace
) -> tuple[Task, ImageSet, NDArray[np.int64]]:
    """Return the task, the images that score, and their labels."""
    everything = _open(chosen.kit, cell.target)
    order = np.random.default_rng(seed).permutation(len(everything))
    labelled = [
        int(i)
        for k in range(len(everything.class_names))
        for i in order[everything.labels[order] == k][: cell.labels]
    ]
    rest = np.array([i for i in order if int(i) not in set(labelled)])
    tested, unlabelled = rest[: cell.tested], rest[cell.tested :][: cell.unlabelled]
    source_images = None
    if cell.source_data:
        source_images = _open(chosen.kit, cell.source_data)
        picked = np.random.default_rng(seed).permutation(len(source_images))[: cell.sources]
        source_images = source_images.subset(np.sort(picked))
    readers = FeatureReaders(
        FeatureStore(chosen.results.parent / "features"),
        PixelStore(1 << 30),
        load_backbone,
        torch.device("cpu"),
    )
    source = _source(cell, chosen.kit)
    task = Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=everything.class_names,
        train=everything.subset(np.sort(labelled)),
        features=readers[source],
        device=readers.device,
        load_backbone=lambda: readers.load(source),
        unlabelled=everything.subset(np.sort(unlabelled)).without_labels(),
        source_images=source_images,
    )
    shown = everything.subset(np.sort(tested))
    return task, shown, shown.labels


def _open(kit: Path, name: str) -> ImageSet:
    archive, _, folder = name.partition("/")
    path = kit / "data" / archive
    return open_target(f"zip://{folder}::{path}" if folder else str(path)).train


def _source(cell: Cell, kit: Path) -> Source:
    if cell.network == SMALL:
        return resolve_sources(SMALL).sources[0]
    return resolve_sources(str(kit / "weights" / "catalogue.toml"), only=[cell.network]).sources[0]


def _read(path: Path) -> list[dict]:  # type: ignore[type-arg]
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """Return the lines of the table: accuracy in per cent, mean and spread over seeds."""
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    lines = ["| method | " + " | ".join(cells) + " |", "|" + "---|" * (len(cells) + 1)]
    for method in POINTS:
        found = [
            [100 * r["accuracy"] for r in rows if (r["cell"], r["method"]) == (cell, method)]
            for cell in cells
        ]
        if any(found):
            lines.append(f"| {method} | " + " | ".join(_figure(values) for values in found) + " |")
    return lines


def _figure(values: list[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread} ({len(values)})"


if __name__ == "__main__":
    main()
