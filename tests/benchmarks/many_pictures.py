"""How much memory a hundred thousand small images need: indexed, cached, ranked.

    python tests/benchmarks/many_pictures.py [--images 100000] [--side 32] [--limit 2048]

Makes an `.npz` of bars in noise, opens it as a target, holds out a quarter, passes every image
through two tiny networks and ranks them. Prints the largest resident memory after
each step, MiB and seconds of CPU time, and exits with 1 where it is above the limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from autotransfer.data.holdout import divide
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.target import open_target
from autotransfer.models.source import Source, Untrained
from autotransfer.scenarios.inputs import discover_plugins, make_readers
from autotransfer.scenarios.options import read_options
from autotransfer.transferability.ranking import DEFAULT_ESTIMATORS, Consensus, rank_sources

NUM_CLASSES = 10
_PIECE = 10_000


def write_pictures(path: Path, n: int, side: int) -> None:
    """Write n (side, side, 3) images, a bar at the place of the class, piece by piece."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % NUM_CLASSES
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (n, side, side, 3)}
            npy.write_array_header_2_0(file, header)
            for begin in range(0, n, _PIECE):
                piece = labels[begin : begin + _PIECE]
                x = rng.integers(0, 96, (len(piece), side, side, 3), dtype=np.uint8)
                rows = (piece * side // NUM_CLASSES)[:, None] + np.arange(2)
                x[np.arange(len(piece))[:, None], rows] += 128
                file.write(x.tobytes())
        with archive.open("y_train.npy", "w") as file:
            npy.write_array(file, labels)


def peak() -> float:
    """Return the largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(pictures: Path) -> None:
    """Do everything, and print the memory after each step."""

    def show(step: str) -> None:
        sys.stdout.write(f"| {step} | {peak():.0f} | {time.process_time():.0f} |\n")
        sys.stdout.flush()

    sys.stdout.write("| after | peak MiB | CPU s |\n|---|---|---|\n")
    show("the imports")
    chosen = read_options({})
    registry, readers = discover_plugins(chosen), make_readers(chosen)
    opened = open_target(pictures)
    show("every image was checked and hashed")
    division = divide(opened)
    show("near-duplicates were looked for, a quarter held-out")
    sources = [
        Source(f"tiny-{seed}", "test_resnet", Untrained(seed), Preprocessing(32))
        for seed in range(2)
    ]
    for source in sources:
        readers[source](division.images)
        readers.release()
        show(f"{source.name} has seen {len(division.images)} images")
    consensus = Consensus([registry.estimator(name) for name in DEFAULT_ESTIMATORS], {})
    rank_sources(sources, division.images, readers, consensus, seed=0)
    show("the sources were ranked")


def main() -> int:
    """Run the benchmark in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--limit", type=float, default=2048.0, help="MiB")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        measured(given.measure)
        return int(peak() > given.limit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npz"
        write_pictures(path, given.images, given.side)
        command = [sys.executable, __file__, "--measure", str(path), "--limit", str(given.limit)]
        cache = {"AUTOTRANSFER_CACHE": str(Path(folder) / "cache")}
        done = subprocess.run(command, env={**os.environ, **cache}, check=False)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
