"""Domain shifts without target labels: every method at its default, and what was chosen.

    python tests/benchmarks/unlabelled.py KIT RESULTS.jsonl [--pairs NAME ...] [--seeds N]
        [--source-images N] [--target-images N] [--sweep] [--table]

One line of RESULTS.jsonl is one trained method on one shift with one seed; what is there already
is not run again. The accuracy in it comes from target labels that no method and no validator
sees: they are read here, after everything. It is that of all target images; validators and the
consensus read the held-out quarter alone. `--table` prints the tables of docs/unlabelled.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import Sources, resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry, discover
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.results import ParamValue, ScenarioKind
from autotransfer.scenarios.unlabelled.arms import reads_target
from autotransfer.scenarios.unlabelled.consensus import Candidate, decide
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.trials import UnlabelledContext
from autotransfer.search.trial import TrialSpec

DIGITS = "small_cnn"
PHOTOS = "mobilenetv1-050-imagenet"
SWEEP: tuple[Mapping[str, ParamValue], ...] = (
    {"lambda_max": 0.0},
    {"lambda_max": 0.1},
    {"lambda_max": 1.0},
    {"batches": "together", "lambda_max": 0.1},
    {"batches": "together", "lambda_max": 0.3},
    {"effort": 0.5},
    {"effort": 2.0},
)  # of DANN, beside its default


@dataclass(frozen=True)
class Shift:
    """One domain shift: two sets of images of the kit, and the network that is used.

    The rules of the consensus may be settled by looking at the `choosing` shifts; the `judging`
    ones judged them while they were written, the `fresh` ones ran after the last change.
    """

    source_data: str
    target_data: str
    network: str
    role: str = "judging"

    @property
    def name(self) -> str:
        """Return "mnist -> mnistm"."""
        return f"{_short(self.source_data)} -> {_short(self.target_data)}"


SHIFTS = (
    Shift("mnist.npz", "mnistm.npz", DIGITS, role="choosing"),
    Shift("usps.npz", "mnist.npz", DIGITS, role="choosing"),
    Shift("mnist.npz", "usps.npz", DIGITS),
    Shift("synth_digits.npz", "chars74k_scene_digits.npz", DIGITS),
    Shift("synth_digits.npz", "mnistm.npz", DIGITS, role="choosing"),
    Shift("mnistm.npz", "mnist.npz", DIGITS),
    Shift("pacs.zip/photo", "pacs.zip/sketch", PHOTOS, role="choosing"),
    Shift("pacs.zip/photo", "pacs.zip/art_painting", PHOTOS),
    Shift("pacs.zip/art_painting", "pacs.zip/photo", PHOTOS, role="choosing"),
    Shift("pacs.zip/art_painting", "pacs.zip/sketch", PHOTOS),
    Shift("pacs.zip/sketch", "pacs.zip/photo", PHOTOS),
    Shift("pacs.zip/sketch", "pacs.zip/art_painting", PHOTOS, role="choosing"),
    Shift("usps.npz", "mnistm.npz", DIGITS, role="fresh"),
    Shift("mnistm.npz", "usps.npz", DIGITS, role="fresh"),
)


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--pairs", nargs="*", default=[shift.name for shift in SHIFTS])
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--source-images", type=int, default=5000)
    parser.add_argument("--target-images", type=int, default=4000)
    parser.add_argument(
        "--sweep", action="store_true", help="DANN with other strengths, batches and steps as well"
    )
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        print(*tables(read(chosen.results)), sep="\n")  # noqa: T201
        return
    torch.set_num_threads(1)
    for seed in range(chosen.seeds):
        for shift in SHIFTS:
            if shift.name in chosen.pairs:
                _run_shift(shift, seed, chosen)


def _run_shift(shift: Shift, seed: int, chosen: argparse.Namespace) -> None:
    done = {
        (row["shift"], row["seed"], row["method"], row["params"])
        for row in read(chosen.results)
        if row["size"] == [chosen.source_images, chosen.target_images]
    }
    missing = [
        (strategy, params)
        for strategy, params in _points(shift, chosen)
        if (shift.name, seed, strategy.name, json.dumps(params, sort_keys=True)) not in done
    ]
    if not missing:
        return
    problem, truth = _problem(shift, seed, chosen, chosen.results.parent / "features")
    context = UnlabelledContext(
        problem.source,
        problem.target,
        problem.class_names,
        problem.readers,
        problem.sources.sources,
        seed,
    )
    source = problem.sources.sources[0]
    for number, (strategy, changed) in enumerate(missing):
        params = {**strategy.space(_info(source)).defaults(), **changed}
        result = context.run(TrialSpec(number, source, strategy, params, seed, None))
        if result.validation is None:
            print(result.outcome.error, file=sys.stderr)  # noqa: T201
            continue
        assert result.predictor is not None
        answers = result.validation.argmax(axis=1)
        learnt = result.predictor.predict(problem.target.learn, problem.readers[source])
        right = np.concatenate([answers, learnt.argmax(axis=1)]) == np.concatenate(truth)
        row = {
            "shift": shift.name,
            "seed": seed,
            "method": strategy.name,
            "params": json.dumps(changed, sort_keys=True),
            "size": [chosen.source_images, chosen.target_images],
            "accuracy": float(right.mean()),
            "held_out": float(right[: len(answers)].mean()),
            "seconds": result.outcome.seconds,
            "adapts": reads_target(strategy),
            "priority": strategy.priority,
            "shifts_source_features": strategy.shifts_source_features,
            "optimises": sorted(strategy.optimises),
            "fault": result.outcome.reason,
            "scores": {k: round(v, 6) for k, v in result.outcome.validators.items()},
            "answers": "".join(map(str, answers)),
            "num_classes": len(problem.class_names),
            "num_source": len(problem.source.held_out),
        }
        with chosen.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(shift.name, seed, strategy.name, changed, f"{row['accuracy']:.3f}")  # noqa: T201


def _points(
    shift: Shift, chosen: argparse.Namespace
) -> Iterator[tuple[Strategy, Mapping[str, ParamValue]]]:
    installed = _registry(chosen.kit).strategies
    for strategy in (installed[name] for name in chosen.methods or installed):
        if ScenarioKind.UNLABELLED not in strategy.scenarios or strategy.uses_intermediate:
            continue
        if shift.network == DIGITS and not strategy.trains:
            continue
        yield strategy, {}
        if chosen.sweep and strategy.name == "dann":
            yield from ((strategy, changed) for changed in SWEEP)


def _problem(
    shift: Shift, seed: int, chosen: argparse.Namespace, cache: Path
) -> tuple[UnlabelledProblem, list[NDArray[np.int64]]]:
    """Return the problem, and the hidden labels of the target images: held out, learned from."""
    labelled = _sampled(_open(chosen.kit, shift.source_data), chosen.source_images, seed)
    target = _sampled(_open(chosen.kit, shift.target_data), chosen.target_images, seed)
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
    hidden = [
        np.array([truth_of[digest] for digest in images.digests])
        for images in (part.held_out, part.learn)
    ]
    return problem, hidden


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
    return TaskInfo(source, ScenarioKind.UNLABELLED, 100, 10)


def _short(name: str) -> str:
    return name.split("/")[-1].removesuffix(".npz")


def read(path: Path) -> list[dict]:  # type: ignore[type-arg]
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Cell:
    """One shift with one seed: what was chosen, and the accuracies.

    Args:
        shift: Name of the shift.
        seed: The seed.
        method: What the consensus chose.
        chosen: Accuracy of that.
        plain: The best accuracy of what does not adapt.
        best: The best accuracy of all: the choice of an oracle.
        mcc: Accuracy of MCC at its default.
    """

    shift: str
    seed: int
    method: str
    chosen: float
    plain: float
    best: float
    mcc: float


def cells(rows: list[dict]) -> list[Cell]:  # type: ignore[type-arg]
    """Return one cell for each shift and seed that has source-only, in the order of the shifts."""
    plain = [row for row in rows if row["params"] == "{}"]
    order = [shift.name for shift in SHIFTS]
    places = sorted({(order.index(r["shift"]), r["seed"]) for r in plain if not r["adapts"]})
    return [
        _chosen([row for row in plain if (row["shift"], row["seed"]) == (order[place], seed)])
        for place, seed in places
    ]


def tables(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """Return the lines of the tables: accuracy of each method, and what was chosen."""
    plain = [row for row in rows if row["params"] == "{}"]
    methods = list(dict.fromkeys(row["method"] for row in plain))
    found = cells(rows)
    lines = [
        f"| shift | role | seeds | {' | '.join(methods)} | chosen | its accuracy | best |",
        "|" + "---|" * (len(methods) + 6),
    ]
    for shift in SHIFTS:
        here = [row for row in plain if row["shift"] == shift.name]
        of_shift = [cell for cell in found if cell.shift == shift.name]
        if not of_shift:
            continue
        shown = [
            _mean([row["accuracy"] for row in here if row["method"] == name]) for name in methods
        ]
        chosen = [cell.method for cell in of_shift]
        lines.append(
            f"| {shift.name} | {shift.role} | {len(of_shift)} | {' | '.join(shown)} "
            f"| {', '.join(chosen if len(set(chosen)) > 1 else chosen[:1])} "
            f"| {_mean([c.chosen for c in of_shift])} | {_mean([c.best for c in of_shift])} |"
        )
    role_of = {shift.name: shift.role for shift in SHIFTS}
    roles: dict[str, list[Cell]] = {}
    for cell in found:
        roles.setdefault(role_of[cell.shift], []).append(cell)
    if found:
        roles["all"] = found
    summaries = [_summary(role, of_role) for role, of_role in roles.items()]
    return [*lines, "", *summaries, "", *_strengths(rows)]


def _mean(values: list[float]) -> str:
    return f"{mean(values):.3f}" if values else "-"


def _chosen(rows: list[dict]) -> Cell:  # type: ignore[type-arg]
    """Return what the consensus chooses of the rows of one shift and seed."""
    candidates = [
        Candidate(
            number,
            "network",
            row["method"],
            row["adapts"],
            row["priority"],
            frozenset(row["optimises"]),
            row["scores"],
            np.array(list(row["answers"]), dtype=np.int64),
            row["fault"],
            row["shifts_source_features"],
        )
        for number, row in enumerate(rows)
    ]
    choice = decide(candidates, rows[0]["num_classes"], num_source=rows[0]["num_source"])
    plain = max(row["accuracy"] for row in rows if not row["adapts"])
    return Cell(
        rows[0]["shift"],
        rows[0]["seed"],
        choice.chosen.strategy,
        rows[choice.chosen.number]["accuracy"],
        plain,
        max(row["accuracy"] for row in rows),
        next((row["accuracy"] for row in rows if row["method"] == "mcc"), plain),
    )


def _summary(role: str, found: list[Cell]) -> str:
    """Return what the consensus gains over what does not adapt, beside an oracle and MCC."""
    gain, oracle, mcc = (
        100 * mean(accuracy - cell.plain for cell, accuracy in zip(found, of_rule, strict=True))
        for of_rule in zip(*((c.chosen, c.best, c.mcc) for c in found), strict=True)
    )
    worst = min(found, key=lambda cell: cell.chosen - cell.plain)
    share = f"{gain / oracle:.0%}" if oracle > 0 else "undefined"
    return (
        f"{role}, {len(found)} cells: the consensus gains {gain:+.1f} points over what does not "
        f"adapt, the oracle {oracle:+.1f} (share recovered {share}), MCC at its default "
        f"{mcc:+.1f}; worst cell of the consensus {100 * (worst.chosen - worst.plain):+.1f} "
        f"({worst.shift}, seed {worst.seed}, {worst.method}), of MCC "
        f"{100 * min(cell.mcc - cell.plain for cell in found):+.1f}."
    )


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
