"""Domain shifts without target labels: every method at its default, and what was chosen.

    python tests/benchmarks/unlabelled.py KIT RESULTS.jsonl [--pairs NAME ...] [--seeds N]
        [--source-pictures N] [--target-pictures N] [--lambdas] [--table]

One line of RESULTS.jsonl is one trained method on one shift with one seed; what is there already
is not run again. The accuracy in it comes from target labels that no method and no validator
sees: they are read here, after everything. `--table` prints the tables of docs/unlabelled.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.backbone import load_backbone
from autotransfer.catalogue import Sources, resolve_sources
from autotransfer.data.image_set import ImageSet
from autotransfer.data.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.feature_store import FeatureStore
from autotransfer.features import FeatureReaders
from autotransfer.problem import Setting, Source
from autotransfer.registry import Registry, discover
from autotransfer.strategy import Strategy, TaskInfo
from autotransfer.unlabelled.arena import Arena, Point, run_without_labels
from autotransfer.unlabelled.arms import reads_target
from autotransfer.unlabelled.consensus import Candidate, decide
from autotransfer.unlabelled.division import divide_source, divide_target
from autotransfer.unlabelled.problem import UnlabelledProblem

DIGITS = "small_cnn"
PHOTOS = "mobilenetv1-050-imagenet"
LAMBDAS = (0.0, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Shift:
    """One domain shift: two sets of pictures of the kit, and the network that is used.

    The rules of the consensus may be settled by looking at the `choosing` shifts; the others
    only judge them.
    """

    source_data: str
    target_data: str
    network: str
    choosing: bool = False

    @property
    def name(self) -> str:
        """Return "mnist -> mnistm"."""
        return f"{_short(self.source_data)} -> {_short(self.target_data)}"


SHIFTS = (
    Shift("mnist.npz", "mnistm.npz", DIGITS, choosing=True),
    Shift("usps.npz", "mnist.npz", DIGITS, choosing=True),
    Shift("mnist.npz", "usps.npz", DIGITS),
    Shift("synth_digits.npz", "chars74k_scene_digits.npz", DIGITS),
    Shift("synth_digits.npz", "mnistm.npz", DIGITS, choosing=True),
    Shift("mnistm.npz", "mnist.npz", DIGITS),
    Shift("pacs.zip/photo", "pacs.zip/sketch", PHOTOS, choosing=True),
    Shift("pacs.zip/photo", "pacs.zip/art_painting", PHOTOS),
    Shift("pacs.zip/art_painting", "pacs.zip/photo", PHOTOS, choosing=True),
    Shift("pacs.zip/art_painting", "pacs.zip/sketch", PHOTOS),
    Shift("pacs.zip/sketch", "pacs.zip/photo", PHOTOS),
    Shift("pacs.zip/sketch", "pacs.zip/art_painting", PHOTOS, choosing=True),
)


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--pairs", nargs="*", default=[shift.name for shift in SHIFTS])
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--source-pictures", type=int, default=5000)
    parser.add_argument("--target-pictures", type=int, default=4000)
    parser.add_argument("--lambdas", action="store_true", help="DANN at several strengths as well")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        print(*tables(_read(chosen.results)), sep="\n")  # noqa: T201
        return
    torch.set_num_threads(1)
    for seed in range(chosen.seeds):
        for shift in SHIFTS:
            if shift.name in chosen.pairs:
                _run_shift(shift, seed, chosen)


def _run_shift(shift: Shift, seed: int, chosen: argparse.Namespace) -> None:
    done = {
        (row["shift"], row["seed"], row["method"], row["params"])
        for row in _read(chosen.results)
        if row["size"] == [chosen.source_pictures, chosen.target_pictures]
    }
    missing = [
        (strategy, params)
        for strategy, params in _points(shift, chosen)
        if (shift.name, seed, strategy.name, json.dumps(params, sort_keys=True)) not in done
    ]
    if not missing:
        return
    problem, truth = _problem(shift, seed, chosen, chosen.results.parent / "features")
    arena = Arena(problem, problem.sources.sources, seed)
    source = problem.sources.sources[0]
    for number, (strategy, changed) in enumerate(missing):
        params = {**strategy.space(_info(source)).defaults(), **changed}
        began = time.perf_counter()
        result = run_without_labels(Point(number, source, strategy, params, seed, None), arena)
        if result.target is None:
            print(result.outcome.error, file=sys.stderr)  # noqa: T201
            continue
        answers = result.target.argmax(axis=1)
        row = {
            "shift": shift.name,
            "seed": seed,
            "method": strategy.name,
            "params": json.dumps(changed, sort_keys=True),
            "size": [chosen.source_pictures, chosen.target_pictures],
            "accuracy": float((answers == truth).mean()),
            "seconds": time.perf_counter() - began,
            "adapts": reads_target(strategy),
            "standing": strategy.standing,
            "moves_source": strategy.moves_source,
            "optimises": sorted(strategy.optimises),
            "fault": result.outcome.reason,
            "scores": dict(result.outcome.validators),
            "answers": answers.tolist(),
            "truth": truth.tolist(),
            "num_classes": len(problem.class_names),
            "num_source": len(problem.source.held_out),
        }
        with chosen.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(shift.name, seed, strategy.name, changed, f"{row['accuracy']:.3f}")  # noqa: T201


def _points(
    shift: Shift, chosen: argparse.Namespace
) -> Iterator[tuple[Strategy, dict[str, float]]]:
    installed = _registry(chosen.kit).strategies
    for strategy in (installed[name] for name in chosen.methods or installed):
        if Setting.UNLABELLED not in strategy.settings:
            continue
        if shift.network == DIGITS and not strategy.trains:
            continue
        yield strategy, {}
        if chosen.lambdas and strategy.name == "dann":
            default = strategy.space(_info(_source(shift, chosen.kit))).defaults()["lambda_max"]
            for value in LAMBDAS:
                if value != default:
                    yield strategy, {"lambda_max": value}


def _problem(
    shift: Shift, seed: int, chosen: argparse.Namespace, cache: Path
) -> tuple[UnlabelledProblem, NDArray[np.int64]]:
    """Return the problem, and the hidden labels of the target pictures that judge."""
    labelled = _sampled(_open(chosen.kit, shift.source_data), chosen.source_pictures, seed)
    target = _sampled(_open(chosen.kit, shift.target_data), chosen.target_pictures, seed)
    assert labelled.class_names == target.class_names
    truth_of = dict(zip(target.digests, target.labels.tolist(), strict=True))
    part = divide_target(target.without_labels())
    readers = FeatureReaders(
        FeatureStore(cache), PixelStore(1 << 30), load_backbone, torch.device("cpu")
    )
    problem = UnlabelledProblem(
        shift.name,
        part,
        divide_source(labelled),
        labelled.class_names,
        Sources((_source(shift, chosen.kit),), ()),
        readers,
        (),
    )
    return problem, np.array([truth_of[digest] for digest in part.held_out.digests])


def _open(kit: Path, name: str) -> ImageSet:
    if ".zip/" not in name:
        return open_target(str(kit / "data" / name)).train
    archive, folder = name.split("/")
    return open_target(f"zip://{folder}::{kit / 'data' / archive}").train


@functools.cache
def _registry(kit: Path) -> Registry:
    """Return what is installed, with the architectures of the kit."""
    return discover(files=[kit / "weights" / "timm_extra.py"])


def _source(shift: Shift, kit: Path) -> Source:
    _registry(kit)
    if shift.network == DIGITS:
        return resolve_sources(DIGITS).sources[0]
    catalogue = kit / "weights" / "catalogue.toml"
    return resolve_sources(str(catalogue), only=[shift.network]).sources[0]


def _sampled(images: ImageSet, most: int, seed: int) -> ImageSet:
    return images.subset(np.sort(np.random.default_rng(seed).permutation(len(images))[:most]))


def _info(source: Source) -> TaskInfo:
    return TaskInfo(source, Setting.UNLABELLED, 100, 10)


def _short(name: str) -> str:
    return name.split("/")[-1].removesuffix(".npz")


def _read(path: Path) -> list[dict]:  # type: ignore[type-arg]
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tables(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """Return the lines of the tables: accuracy of each method, and what was chosen."""
    plain = [row for row in rows if row["params"] == "{}"]
    methods = list(dict.fromkeys(row["method"] for row in plain))
    lines = [
        "| shift | seeds | " + " | ".join(methods) + " | chosen | consensus | oracle |",
        "|" + " --- |" * (len(methods) + 5),
    ]
    cells = []
    for shift in dict.fromkeys(row["shift"] for row in plain):
        here = [row for row in plain if row["shift"] == shift]
        found = []
        for seed in sorted({row["seed"] for row in here}):
            of_seed = [row for row in here if row["seed"] == seed]
            if any(not row["adapts"] for row in of_seed):
                found.append(_chosen(of_seed))
        cells += [(shift, *cell) for cell in found]
        accuracies = [
            mean(values) if (values := [r["accuracy"] for r in here if r["method"] == m]) else None
            for m in methods
        ]
        lines.append(
            f"| {shift} | {len(found)} | "
            + " | ".join("-" if a is None else f"{a:.3f}" for a in accuracies)
            + f" | {', '.join(name for name, *_ in found)}"
            + f" | {mean(c[1] for c in found):.3f} | {mean(c[3] for c in found):.3f} |"
        )
    lines += ["", *_summary(cells), "", *_strengths(rows)]
    return lines


def _chosen(rows: list[dict]) -> tuple[str, float, float, float, float]:  # type: ignore[type-arg]
    """Return the choice's name, and accuracy of choice, source-only, oracle and MCC."""
    candidates = [
        Candidate(
            number,
            "network",
            row["method"],
            row["adapts"],
            row["standing"],
            frozenset(row["optimises"]),
            row["scores"],
            np.array(row["answers"]),
            row["fault"],
            row["moves_source"],
        )
        for number, row in enumerate(rows)
    ]
    choice = decide(candidates, rows[0]["num_classes"], num_source=rows[0]["num_source"])
    of_mcc = [row["accuracy"] for row in rows if row["method"] == "mcc"]
    baseline = rows[choice.baseline.number]["accuracy"]
    return (
        choice.chosen.strategy,
        rows[choice.chosen.number]["accuracy"],
        baseline,
        max(row["accuracy"] for row in rows),
        of_mcc[0] if of_mcc else baseline,
    )


def _summary(cells: list[tuple[str, str, float, float, float, float]]) -> list[str]:
    gain = mean(chosen - plain for _, _, chosen, plain, _, _ in cells)
    oracle = mean(best - plain for _, _, _, plain, best, _ in cells)
    mcc = mean(of_mcc - plain for _, _, _, plain, _, of_mcc in cells)
    worst = min(chosen - plain for _, _, chosen, plain, _, _ in cells)
    share = f"{gain / oracle:.0%}" if oracle > 0 else "undefined"
    return [
        f"Over {len(cells)} cells (shift and seed): the consensus gains {100 * gain:+.1f} points "
        f"over source-only, the oracle {100 * oracle:+.1f} (share recovered {share}), MCC at its "
        f"default {100 * mcc:+.1f}; the worst cell of the consensus is {100 * worst:+.1f}.",
    ]


def _strengths(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    of_dann = [row for row in rows if row["method"] == "dann" and row["params"] != "{}"]
    found: dict[tuple[str, str], list[float]] = {}
    for row in of_dann:
        found.setdefault((row["shift"], row["params"]), []).append(row["accuracy"])
    return [
        f"- DANN on {shift} with {params}: {mean(values):.3f} ({len(values)} seeds)"
        for (shift, params), values in found.items()
    ]


if __name__ == "__main__":
    main()
