"""A record of small transfers: what closed forms reach, on many targets, sources and sizes.

    python -m tests.benchmarks.transfer_record run [--kit KIT] [--work FOLDER] [--draws 0-9]
        [--targets NAME ...] [--minutes 60] [--fine-tunes]
    python -m tests.benchmarks.transfer_record table [--work FOLDER] [--record FILE]
    python -m tests.benchmarks.transfer_record facts [--record FILE]

`run` computes what is missing below FOLDER, a temporary one by default, and may be stopped at any
time: first the features of all pools (`transfer_targets.py`), then every cell (a draw of a size
of a target, `transfer_cells.py`), zero-shot splits and, with `--fine-tunes`, fine-tunes of a
sample of cells. `table` writes what is there as one file; `transfer_table.read_record` reads it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from autotransfer.data.splitting import make_folds
from autotransfer.models.precomputed_features import Matrices
from autotransfer.models.single_thread import single_thread
from tests.benchmarks.scoreboard_draws import numbers, standard_kit
from tests.benchmarks.transfer_cells import NO_SOURCE, PIXELS, Block, Cell, Key, scored
from tests.benchmarks.transfer_features import Features, Stages
from tests.benchmarks.transfer_fine_tunes import fine_tunes, sample
from tests.benchmarks.transfer_table import (
    BALANCED,
    RECORD,
    SCORES,
    facts,
    read_record,
    write_record,
)
from tests.benchmarks.transfer_targets import (
    ALL,
    POOLS,
    SIZES,
    TARGETS,
    Draw,
    Ints,
    Pool,
    Target,
    draw,
    labels_of,
    pool_of,
    sources_in,
)
from tests.benchmarks.transfer_zero_shot import POOL_NAMES as ZERO_SHOT_POOLS
from tests.benchmarks.transfer_zero_shot import SPLITS, UNSEEN, images_of, leaks, zero_shot

KNOB_DRAWS = 3  # draws in which other ways to read the default source are tried
FOLD_DRAWS, FOLD_SIZES = 1, (2, 5, 20)  # of which the folds of a fit are played as well
LARGE = (40, ALL)  # sizes whose draws come last
LARGE_DRAWS = 5  # but for so many


@dataclass(frozen=True)
class Loaded:
    """A pool with all its features.

    Args:
        pool: The pool.
        labels: (n,) classes of its images.
        class_names: Names of the classes.
        stages: Features of all stages by source, the default one first.
        leaking: Names of the sources that learnt from its images.
    """

    pool: Pool
    labels: Ints
    class_names: tuple[str, ...]
    stages: Mapping[str, Stages]
    leaking: tuple[str, ...]

    @classmethod
    def of(cls, pool: Pool, features: Features) -> Loaded:
        """Return the pool, whose features have been computed."""
        names = [*(source.name for source in features.sources), *NO_SOURCE]
        leaking = tuple(s.name for s in features.sources if pool.leaks(s))
        stages = {name: features.stages(pool, name) for name in names}
        return cls(pool, *features.labels(pool), stages, leaking)

    @property
    def apart(self) -> tuple[str, ...]:
        """Return the sources that no rule reads: what leaks, unless the default one does."""
        default = next(iter(self.stages))
        return () if default in self.leaking else self.leaking

    def leaks(self, key: Key) -> bool:
        """Return whether a network that a row reads has learnt from these images."""
        if key.source:
            return key.source in self.leaking
        return bool(self.leaking) and not self.apart and key.kind != "majority"

    def cell(self, labels: Ints, learnt: Ints, shown: Ints) -> Cell:
        """Return a cell.

        Args:
            labels: (n,) classes of the pool's images in the target.
            learnt: Places of the labelled images.
            shown: Places of the others.
        """
        blocks = {name: list(self._blocks(name, learnt, shown)) for name in self.stages}
        read = [name for name in blocks if name not in (*self.apart, *NO_SOURCE)]
        return Cell(
            labels[learnt],
            int(labels.max()) + 1,
            [block for name in read for block in blocks[name]],
            [block for name in self.apart for block in blocks[name]],
            [block for name in NO_SOURCE for block in blocks[name]],
        )

    def _blocks(self, name: str, learnt: Ints, shown: Ints) -> Iterator[Block]:
        stages = self.stages[name]
        for number, x in enumerate(stages, 1):
            rows = x[learnt].astype(np.float32), x[shown].astype(np.float32)
            last = number == len(stages) and name not in PIXELS
            yield Block(Key("probe", name, number), *rows, last)

    def folds(self, labels: Ints, learnt: Ints, seed: int) -> list[tuple[Ints, Ints]]:
        """Return what a fit learns from and validates with in each of its folds."""
        rows = next(iter(self.stages.values()))[-1][learnt].astype(np.float32)
        names = tuple(str(k) for k in range(int(labels.max()) + 1))
        items = Matrices({"x": rows}, labels[learnt], names).items
        return [(learnt[f.train], learnt[f.validation]) for f in make_folds(items, seed=seed)]


def played(
    loaded: Loaded, labels: Ints, drawn: Draw, *, knobs: bool = True
) -> dict[Key, dict[str, float]]:
    """Return the scores of every row of a cell."""
    cell = loaded.cell(labels, drawn.labelled, drawn.tested)
    truth = labels[drawn.tested]
    return {
        key: {**said.scores(cell.labels, truth), "milliseconds": 1000 * said.seconds}
        for key, said in cell.said(knobs=knobs)
    }


def folded(loaded: Loaded, labels: Ints, drawn: Draw, seed: int) -> dict[Key, dict[str, float]]:
    """Return the scores of every row on the folds of a fit."""
    folds = loaded.folds(labels, drawn.labelled, seed)
    said = [
        {key: found.answers for key, found in loaded.cell(labels, *fold).said(knobs=False)}
        for fold in folds
    ]
    truth = labels[np.concatenate([validation for _, validation in folds])]
    found = {key: scored(truth, np.concatenate([part[key] for part in said])) for key in said[0]}
    return {key: {f"folds_{name}": v for name, v in row.items()} for key, row in found.items()}


class Record:
    """What has been computed below a folder, a line of a file for each cell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cells"
        self.lines: dict[tuple[str, str, int, int], dict[str, Any]] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            for text in path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(json.JSONDecodeError):  # where a process died
                    line = json.loads(text)
                    self.lines[line["part"], line["target"], line["size"], line["draw"]] = line

    def __contains__(self, key: tuple[str, str, int, int]) -> bool:
        return key in self.lines

    def add(
        self, key: tuple[str, str, int, int], rows: Mapping[Key, Mapping[str, float]], **said: Any
    ) -> None:
        """Keep the rows of a cell, with what else is said of it."""
        part, target, size, number = key
        line = {"part": part, "target": target, "size": size, "draw": number, **said}
        line["rows"] = [[*row, _rounded(scores)] for row, scores in rows.items()]
        self.lines[key] = line
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{part}-{target}.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(line)}")

    def frame(self) -> pd.DataFrame:
        """Return all rows, with the columns of `read_record`."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for (part, target, size, number), line in self.lines.items():
            about = {k: line[k] for k in ABOUT} if part in SCORED else {}
            for kind, source, stage, scores in line["rows"]:
                key = target, size, number, kind, source, stage
                row = found.setdefault(key, dict(zip(ROW, key, strict=True)))
                row |= scores | about
                if part in SCORED:
                    row["leaks"] = [kind, source, stage] in line["leaks"]
        frame = pd.DataFrame([row for row in found.values() if "tested" in row])
        frame = frame.reindex(columns=list(dict.fromkeys((*frame.columns, *SCORES, *BALANCED))))
        keys = [name for name in ROW if name != "draw"]
        typical = frame.groupby(keys)["milliseconds"].transform("median")
        stages = frame.groupby("source")["stage"].transform("max")
        return frame.assign(milliseconds=typical, stages=stages)


ROW = ("target", "size", "draw", "kind", "source", "stage")
ABOUT = ("family", "classes", "labelled", "tested")
SCORED = ("cells", "zero-shot", "fine-tunes")  # those with true scores; the others add to them


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(v), 4) for name, v in scores.items() if np.isfinite(v)}


def wanted(plan: str, draws: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the draws and sizes of a step.

    Args:
        plan: "first", "folds" or "others".
        draws: All draws.
    """
    first = [number for number in draws if number < LARGE_DRAWS]
    others = [number for number in draws if number >= LARGE_DRAWS]
    if plan == "folds":
        yield from product([number for number in draws if number < FOLD_DRAWS], FOLD_SIZES)
    elif plan == "first":
        yield from product(first, SIZES)
    else:
        small = [size for size in SIZES if size not in LARGE]
        yield from product(others, small)
        yield from product(others, LARGE)


class Run:
    """Computes what is missing, until the time is over.

    Args:
        given: The arguments of the command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.record = given, Record(given.work)
        self.until: float = time.monotonic() + 60 * given.minutes
        self.features = Features(given.work, given.kit, sources_in(given.kit))
        self._targets = [target for target in TARGETS if target.name in given.targets]
        self._pools = {target.pool for target in self._targets}
        if set(ZERO_SHOT_POOLS) & self._pools:
            self._pools |= set(ZERO_SHOT_POOLS)
        self._loaded: dict[str, Loaded] = {}

    def __call__(self) -> None:
        """Compute."""
        self._features()
        self._cells("first")
        self._zero_shot()
        self._cells("folds")
        self._cells("others")
        if self.given.fine_tunes:
            self._fine_tunes()
        if self._over:
            sys.stderr.write("the time is over; run it again to go on\n")

    @property
    def _over(self) -> bool:
        return time.monotonic() > self.until

    def _features(self) -> None:
        for pool in POOLS:
            if pool.name in self._pools and not self._over:
                self.features.fill(pool)

    def _pool(self, pool: Pool) -> Loaded:
        if pool.name not in self._loaded:
            self._loaded[pool.name] = Loaded.of(pool, self.features)
        return self._loaded[pool.name]

    def _cells(self, plan: str) -> None:
        part = "folds" if plan == "folds" else "cells"
        for (number, size), target in product(wanted(plan, self.given.draws), self._targets):
            key = part, target.name, size, number
            if key in self.record or self._over:
                continue
            began = time.perf_counter()
            if self._cell(key, target):
                seconds = time.perf_counter() - began
                sys.stderr.write(f"{part}: {target.name} {size}, draw {number}, {seconds:.1f} s\n")

    def _cell(self, key: tuple[str, str, int, int], target: Target) -> bool:
        part, _, size, number = key
        loaded = self._pool(pool_of(target))
        labels = labels_of(target, loaded.labels, loaded.class_names)
        drawn = draw(target, labels, size, number)
        if drawn is None:
            return False
        if part == "folds":
            self.record.add(key, folded(loaded, labels, drawn, number))
        else:
            rows = played(loaded, labels, drawn, knobs=number < KNOB_DRAWS)
            self.record.add(key, rows, **_about(loaded, labels, drawn, rows))
        return True

    def _zero_shot(self) -> None:
        if self._over or not set(ZERO_SHOT_POOLS) <= self._pools:
            return
        images = images_of(self.features)
        for number, num_unseen in product(range(SPLITS), UNSEEN):
            key = "zero-shot", f"zero-shot-{num_unseen}", num_unseen, number
            if key in self.record or self._over:
                continue
            rows, learnt, tested = zero_shot(images, self.given.kit, num_unseen, number)
            leaking = [list(row) for row in rows if leaks(row, self.features)]
            self.record.add(key, rows, family="awa", classes=num_unseen, labelled=learnt,
                            tested=tested, leaks=leaking)  # fmt: skip

    def _fine_tunes(self) -> None:
        sources = {source.name: source for source in self.features.sources}
        for name, size, number in sample():
            key = "fine-tunes", name, size, number
            if key in self.record or self._over:
                continue
            target = next(target for target in TARGETS if target.name == name)
            loaded = self._pool(pool_of(target))
            drawn = draw(target, loaded.labels, size, number)
            if drawn is None:
                continue
            cell = loaded.cell(loaded.labels, drawn.labelled, drawn.tested)
            mixture = next(s.answers for k, s in cell.said(knobs=False) if k.kind == "mixture")
            places = {"kit": self.given.kit, "work": self.given.work}
            rows = dict(fine_tunes(loaded.pool, drawn, mixture, sources, **places, seed=number))
            self.record.add(key, rows, **_about(loaded, loaded.labels, drawn, rows))


def _about(loaded: Loaded, labels: Ints, drawn: Draw, rows: Iterable[Key]) -> dict[str, Any]:
    return {
        "family": loaded.pool.family,
        "classes": int(labels.max()) + 1,
        "labelled": len(drawn.labelled),
        "tested": len(drawn.tested),
        "leaks": [list(key) for key in rows if loaded.leaks(key)],
    }


def main() -> None:
    """Run what is missing, write the table, or print what it shows."""
    parser = argparse.ArgumentParser(description="A record of small transfers.")
    parser.add_argument("command", choices=("run", "table", "facts"))
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "transfers")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--draws", type=numbers, default=range(10))
    parser.add_argument("--targets", nargs="*", default=[target.name for target in TARGETS])
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--fine-tunes", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.command == "run":
        with single_thread():
            Run(given)()
    elif given.command == "table":
        write_record(Record(given.work).frame(), given.record)
    else:
        print(*facts(read_record(given.record)), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
