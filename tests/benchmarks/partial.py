"""A target with some of the source's classes: the class shares, and what methods make of them.

    python tests/benchmarks/partial.py KIT RESULTS.jsonl [--shifts NAME ...] [--seeds N]
        [--methods NAME ...] [--shares-only] [--table]

A target is cut to a few classes, others with each seed; beside it stands a target of as many
images of all classes. Class shares are read off a pretrained source before anything is adapted.
Every method runs with and without them. One line of RESULTS.jsonl is one method (or the shares
alone) on one target; what is there is not run again. Target labels are read afterwards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import Sources, resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry, discover
from autotransfer.plugin.strategy import TaskInfo
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.unlabelled.arms import reads_target
from autotransfer.scenarios.unlabelled.class_shares import (
    LEAST_ABSENT,
    ClassShares,
    read_class_shares,
)
from autotransfer.scenarios.unlabelled.consensus import Candidate, decide
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.trials import UnlabelledContext
from autotransfer.search.trial import TrialSpec

TRAINED = "mobilenetv1-050-imagenet"
LOOKS = (TRAINED, "mobilenetv1-100-imagenet")
SOURCE_IMAGES, TARGET_IMAGES = 1500, 800
METHODS = (
    "source-only", "source-probe", "adabn", "feature-coral", "feature-transport", "mcc", "shot",
    "dann", "deep-coral",
)  # fmt: skip


@dataclass(frozen=True)
class Shift:
    """A shift, the number of classes that are left, and the network that methods train."""

    source_data: str
    target_data: str
    kept: int
    network: str = TRAINED

    @property
    def name(self) -> str:
        """Return "mnist -> usps"."""
        one, other = (n.split("/")[-1].split(".")[0] for n in (self.source_data, self.target_data))
        return f"{one} -> {other}"


_DOMAINS = ("photo", "art_painting", "sketch")
SHIFTS = (
    *(
        Shift(f"pacs.zip/{a}", f"pacs.zip/{b}", 3)
        for a in _DOMAINS
        for b in _DOMAINS
        if a != b
    ),
    Shift("mnist.npz", "usps.npz", 4, "small_cnn"),
    Shift("mnist.npz", "mnistm.npz", 4, "small_cnn"),
    Shift("usps.npz", "mnist.npz", 4, "small_cnn"),
    Shift("flowers5.zip", "flowers5.zip:test", 3),
    Shift("eurosat.zip", "eurosat.zip:test", 4),
    Shift("cifar10.zip", "cifar10.zip:test", 4),
)  # fmt: skip


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--shifts", nargs="*", default=[shift.name for shift in SHIFTS])
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", nargs="*", default=list(LOOKS), metavar="SOURCE",
                        help="sources that the class shares are read off")  # fmt: skip
    parser.add_argument("--shares-only", action="store_true")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        print(*tables(_read(chosen.results)), sep="\n")  # noqa: T201
        return
    torch.set_num_threads(1)
    registry = discover(files=[chosen.kit / "weights" / "timm_extra.py"])
    for shift in SHIFTS:
        for seed in range(chosen.seeds):
            for cut in (True, False):
                if shift.name in chosen.shifts:
                    _run(shift, seed, registry, chosen, cut=cut)


def _run(
    shift: Shift, seed: int, registry: Registry, chosen: argparse.Namespace, *, cut: bool
) -> None:
    done = {(r["shift"], r["seed"], r["cut"], r["looks"], r["method"], r["weighed"])
            for r in _read(chosen.results)}  # fmt: skip
    key = (shift.name, seed, cut, " + ".join(chosen.looks))
    names = [] if chosen.shares_only else chosen.methods
    wanted = [("shares", False), *((n, w) for n in names for w in (False, True))]
    if all((*key, *method) in done for method in wanted):
        return
    problem, truth = _problem(shift, seed, chosen, cut=cut)
    readers = problem.readers
    networks = [readers[_named(name, chosen.kit)] for name in chosen.looks]
    found = read_class_shares(problem.source, problem.target.learn, networks, seed=seed)
    row = dict(zip(("shift", "seed", "cut", "looks"), key, strict=True))
    if (*key, "shares", False) not in done:
        _write(chosen.results, row | _of_shares(found, np.concatenate(truth)))
    for name, weighed in wanted[1:]:
        strategy = registry.strategies[name]
        needless = weighed and not (_is_partial(found) and reads_target(strategy))
        unfit = shift.network == "small_cnn" and not strategy.trains
        if (*key, name, weighed) in done or needless or unfit:
            continue
        source = _named(shift.network, chosen.kit)
        shares = tuple(map(float, found.value)) if weighed else None
        context = UnlabelledContext(
            problem.source, problem.target, problem.class_names, readers, (source,), seed,
            class_shares=shares,
        )  # fmt: skip
        params = strategy.space(TaskInfo(source, ScenarioKind.UNLABELLED, 100, 10)).defaults()
        result = context.run(TrialSpec(0, source, strategy, params, seed, None))
        assert result.predictor is not None, result.outcome.error
        assert result.validation is not None
        learnt = result.predictor.predict(problem.target.learn, readers[source])
        said = [result.validation.argmax(axis=1), learnt.argmax(axis=1)]
        right = np.concatenate(said) == np.concatenate(truth)
        told = {
            "method": name,
            "weighed": weighed,
            "accuracy": float(right.mean()),
            "seconds": result.outcome.seconds,
            "adapts": reads_target(strategy),
            "priority": strategy.priority,
            "optimises": sorted(strategy.optimises),
            "shifts": strategy.shifts_source_features,
            "fault": result.outcome.reason,
            "scores": {k: round(v, 5) for k, v in result.outcome.validators.items()},
            "answers": said[0].tolist(),
            "num_source": len(problem.source.held_out),
            "num_classes": len(problem.class_names),
        }
        _write(chosen.results, row | told)
        print(shift.name, seed, "cut" if cut else "all", name, weighed, right.mean())  # noqa: T201


def _is_partial(found: ClassShares) -> bool:
    """Return whether so many classes are believed to be absent that it has to be minded."""
    return not found.doubt and float(found.absent.mean()) >= LEAST_ABSENT


def _of_shares(found: ClassShares, truth: Any) -> dict[str, Any]:
    """Return how far the class shares are off, in points."""
    num_classes = len(found.value)
    right = np.bincount(truth, minlength=num_classes) / len(truth)
    covered = (found.low <= right) & (right <= found.high)
    return {
        "method": "shares",
        "weighed": False,
        "known": not found.doubt,
        "partial": _is_partial(found),
        "apart": found.apart,
        "moved": found.moved,
        "between": found.between,
        "error": float(100 * np.abs(found.value - right).mean()),
        "uniform": float(100 * np.abs(1 / num_classes - right).mean()),
        "covered": float(covered.mean()),
        "width": float((found.high - found.low).mean()),
        "wrongly_absent": int((found.absent & (right > 0)).sum()),
        "wrongly_there": int((~found.absent & (right == 0)).sum()),
    }


def _problem(
    shift: Shift, seed: int, chosen: argparse.Namespace, *, cut: bool
) -> tuple[UnlabelledProblem, list[Any]]:
    generator = np.random.default_rng(100 + seed)
    labelled = _open(chosen.kit, shift.source_data).sample(SOURCE_IMAGES, seed)
    target = _open(chosen.kit, shift.target_data)
    kept = generator.permutation(len(target.class_names))[: shift.kept]
    there = np.flatnonzero(np.isin(target.labels, kept))
    few = min(len(there), TARGET_IMAGES)
    target = target.subset(there).sample(few, seed) if cut else target.sample(few, seed)
    truth_of = dict(zip(target.digests, target.labels.tolist(), strict=True))
    part = divide_target(target.without_labels())
    cache = FeatureStore(chosen.results.parent / "features")
    readers = FeatureReaders(cache, PixelStore(1 << 30), load_backbone, torch.device("cpu"))
    problem = UnlabelledProblem(
        shift.name, part, divide_source(labelled), labelled.class_names,
        Sources((_named(shift.network, chosen.kit),), ()), readers, (),
    )  # fmt: skip
    sets = (part.held_out, part.learn) if part.apart else (part.held_out, part.held_out)
    return problem, [np.array([truth_of[d] for d in images.digests]) for images in sets]


def _open(kit: Path, name: str) -> ImageSet:
    if name.startswith("pacs"):
        return open_target(f"zip://{name.split('/')[1]}::{kit / 'data' / 'pacs.zip'}").train
    opened = open_target(str(kit / "data" / name.removesuffix(":test")))
    test = opened.held_out if name.endswith(":test") else None
    return test or opened.train


def _named(name: str, kit: Path) -> Source:
    if name == "small_cnn":
        return resolve_sources(name).sources[0]
    return resolve_sources(str(kit / "weights" / "catalogue.toml"), only=[name]).sources[0]


def _read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _write(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of both tables: the class shares, and the methods."""
    yield "| shift | read by | target | told | error, points | a uniform guess | in the interval |"
    yield "|---|---|---|---|---|---|---|"
    shares = [row for row in rows if row["method"] == "shares"]
    for name, looks, cut in dict.fromkeys((r["shift"], r["looks"], r["cut"]) for r in shares):
        here = [r for r in shares if (r["shift"], r["looks"], r["cut"]) == (name, looks, cut)]
        told = [row for row in here if row["known"]]
        figures = [
            f"{mean(r[key] for r in told):.{digits}f}" if told else "-"
            for key, digits in (("error", 1), ("uniform", 1), ("covered", 2))
        ]
        which = "some classes" if cut else "all classes"
        number = f"{len(told)} of {len(here)}"
        yield f"| {name} | {looks} | {which} | {number} | {' | '.join(figures)} |"
    yield ""
    yield "| shift | target | method | seeds | as before | by class shares |"
    yield "|---|---|---|---|---|---|"
    methods = [row for row in rows if row["method"] != "shares"]
    for name, cut, method in dict.fromkeys((r["shift"], r["cut"], r["method"]) for r in methods):
        here = [r for r in methods if (r["shift"], r["cut"], r["method"]) == (name, cut, method)]
        before, after = (
            {r["seed"]: r["accuracy"] for r in here if r["weighed"] is weighed}
            for weighed in (False, True)
        )
        both = [before[seed] for seed in after], list(after.values())
        shown = both if after else (list(before.values()), [])
        which, now = ("some" if cut else "all"), f"{mean(shown[1]):.3f}" if after else "-"
        yield (
            f"| {name} | {which} classes | {method} | {len(shown[0])} | {mean(shown[0]):.3f} "
            f"| {now} |"
        )
    yield ""
    yield from _returned(methods)


def _returned(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what the consensus returns with and without class shares, beside source-only."""
    yield "| shift | target | seed | returned before | accuracy | now | accuracy | source-only |"
    yield "|---|---|---|---|---|---|---|---|"
    for key in dict.fromkeys((r["shift"], r["cut"], r["seed"]) for r in rows):
        here = [r for r in rows if (r["shift"], r["cut"], r["seed"]) == key]
        before = [r for r in here if not r["weighed"]]
        changed = {r["method"]: r for r in here if r["weighed"]}
        if not any(not r["adapts"] for r in before):
            continue
        old, new = (_decided(rows) for rows in
                    (before, [changed.get(r["method"], r) for r in before]))  # fmt: skip
        plain = max(r["accuracy"] for r in before if not r["adapts"])
        yield (
            f"| {key[0]} | {'some classes' if key[1] else 'all classes'} | {key[2]} | "
            f"{old['method']} | {old['accuracy']:.3f} | {new['method']} | {new['accuracy']:.3f} | "
            f"{plain:.3f} |"
        )


def _decided(rows: list[dict[str, Any]]) -> dict[str, Any]:
    candidates = [
        Candidate(
            number, "network", r["method"], r["adapts"], r["priority"], frozenset(r["optimises"]),
            r["scores"], np.array(r["answers"]), r["fault"], r["shifts"],
        )
        for number, r in enumerate(rows)
    ]  # fmt: skip
    found = decide(candidates, rows[0]["num_classes"], num_source=rows[0]["num_source"])
    return rows[found.chosen.number]


if __name__ == "__main__":
    main()
