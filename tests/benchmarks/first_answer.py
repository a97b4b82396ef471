"""How soon a fit answers: without a test and guarded, with an empty cache and with a filled one.

    python -m tests.benchmarks.first_answer CATALOGUE IMAGES [--plugin FILE]... [--source NAME]...
        [--split train] [--images 400] [--repeats 1] [--lines]
    python -m tests.benchmarks.first_answer CATALOGUE IMAGES --features [--images 600] ...

IMAGES is a zip of class folders, below splits or not; the first images of each class are taken.
Each fit is a process of its own, imports included, with the smallest search: what anybody would
try first, the probes, one trial. Wall seconds count from its start to the line that says it; CPU
seconds are of all threads, so that other programs matter less. Medians of the repeats. With
--lines every line of every fit is shown with its seconds.

With --features the fits are `fit_features` at its defaults, with the last features that the first
three sources have of the images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any
from zipfile import ZipFile

FIRST, OBVIOUS, GUARDED, END = "first answer", "the obvious", "guarded answer", "saved, reported"
MATRICES = 3


def unpacked(archive: Path, split: str, count: int, folder: Path) -> None:
    """Write the first `count` images of a split, as many of each class, as class folders."""
    with ZipFile(archive) as images:
        files = [Path(name) for name in sorted(images.namelist()) if not name.endswith("/")]
        files = [file for file in files if split in file.parts[:-2] or len(file.parts) == 2]
        each = count // len({file.parent.name for file in files})
        taken: Counter[str] = Counter()
        for file in files:
            name = file.parent.name
            taken[name] += 1
            if taken[name] <= each:
                (folder / name).mkdir(parents=True, exist_ok=True)
                (folder / name / file.name).write_bytes(images.read(str(file)))


def answer(order: dict[str, Any]) -> None:
    """Run one fit and print each of its lines with wall and CPU seconds, as JSON."""

    def told(line: str) -> None:
        used = os.times()
        spent = time.time() - order["began"], used.user + used.system
        sys.stdout.write(json.dumps([*spent, line]) + "\n")

    import autotransfer

    options = order["options"] | {"say": told, "device": "cpu"}
    if "matrices" in order:
        import numpy as np

        with np.load(order["matrices"]) as content:
            matrices = {name: content[name] for name in content.files}
        found = autotransfer.fit_features(matrices, matrices.pop("y"), **options)
    else:
        found = autotransfer.fit(order["images"], space="quick", budget="1 trial", **options)
    told(f"end: {found.verdict.sentence}")


def measured(order: dict[str, Any], *, shown: bool) -> dict[str, tuple[float, float]]:
    """Return wall and CPU seconds until each milestone of one fit."""
    with tempfile.TemporaryDirectory() as workspace:
        order["options"] |= {"workspace": workspace}
        order["began"] = time.time()
        command = [sys.executable, "-m", "tests.benchmarks.first_answer", "--fit"]
        done = subprocess.run(
            [*command, json.dumps(order)], check=True, stdout=subprocess.PIPE, text=True
        )
    found: dict[str, tuple[float, float]] = {}
    for wall, cpu, line in map(json.loads, done.stdout.splitlines()):
        if shown:
            sys.stdout.write(f"{wall:8.2f} {cpu:8.2f}  {line}\n")
        spent = wall, cpu
        if line.startswith(("first answer", "probe 1:")):
            found.setdefault(FIRST, spent)
        if line.startswith("probe 3:"):
            found[OBVIOUS] = spent
        if " points " in line and not line.startswith("end: "):
            found[GUARDED] = spent
        found[END] = spent
    found.setdefault(GUARDED, found[END])
    return found


def table(rows: dict[str, list[dict[str, tuple[float, float]]]]) -> None:
    """Print the medians of some fits."""
    out = sys.stdout.write
    steps = [
        step for step in (FIRST, OBVIOUS, GUARDED, END) if step in next(iter(rows.values()))[0]
    ]
    out("| | " + " | ".join(f"{step}, wall s | CPU s" for step in steps) + " |\n")
    out("|---|" + "---|" * 2 * len(steps) + "\n")
    for name, runs in rows.items():
        cells = [f"{median(run[step][i] for run in runs):.1f}" for step in steps for i in (0, 1)]
        out(f"| {name} | " + " | ".join(cells) + " |\n")


def of_images(given: argparse.Namespace, options: dict[str, Any], folder: Path) -> None:
    """Print the seconds of fits of images."""
    rows: dict[str, list[dict[str, tuple[float, float]]]] = {"empty cache": [], "filled cache": []}
    for repeat in range(given.repeats):
        os.environ["AUTOTRANSFER_CACHE"] = str(folder / f"cache{repeat}")
        order = {"images": str(folder / "images"), "options": options}
        for runs in rows.values():
            runs.append(measured(order, shown=given.lines))
    table(rows)


def of_features(given: argparse.Namespace, options: dict[str, Any], folder: Path) -> None:
    """Print the seconds of fits of feature matrices."""
    import numpy as np

    from autotransfer.scenarios.inputs import discover_plugins, problem_of_items
    from autotransfer.scenarios.options import read_options

    asked = read_options(options | {"device": "cpu"})
    problem = problem_of_items(str(folder / "images"), asked, discover_plugins(asked))
    images = problem.target.train
    matrices = {
        source.name: problem.readers[source](images)
        for source in problem.sources.sources[:MATRICES]
    }
    np.savez(folder / "matrices.npz", y=images.labels, **matrices)  # type: ignore[arg-type]
    order = {"matrices": str(folder / "matrices.npz"), "options": {}}
    runs = [measured(order, shown=given.lines) for _ in range(given.repeats)]
    table({f"{len(images)} rows x {len(matrices)} matrices": runs})


def main() -> int:
    """Run the benchmark."""
    if sys.argv[1] == "--fit":
        answer(json.loads(sys.argv[2]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("archive", type=Path)
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("--split", default="train")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--features", action="store_true")
    parser.add_argument("--lines", action="store_true")
    given = parser.parse_args()
    options = {
        "sources": given.catalogue,
        "plugins": [str(Path(plugin).resolve()) for plugin in given.plugin],
        "source": given.source,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        unpacked(given.archive, given.split, given.images, folder / "images")
        (of_features if given.features else of_images)(given, options, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
