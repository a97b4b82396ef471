"""CPU time and memory of five scores against one Gram and one eigendecomposition.

One thread, one process:
    python tests/benchmarks/estimators.py [--shape n,d,K]... [--repeats R] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tracemalloc

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported

import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from functools import partial  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402
from scipy import linalg  # noqa: E402

from autotransfer.models.linear_algebra import Array, Rows  # noqa: E402
from autotransfer.transferability import (  # noqa: E402
    Gbc,
    HScore,
    LogME,
    RegularisedHScore,
    Statistics,
    TransRate,
)

SHAPES = ("5000,1280,100", "10000,2048,200")
SUITE = (LogME(), HScore(), RegularisedHScore(), TransRate(), Gbc())


@dataclass(frozen=True)
class Measured:
    """CPU seconds of one shape, their ratio, and memory on top in copies of the features."""

    shape: str
    yard_seconds: float
    suite_seconds: float
    ratio: float
    memory_copies: float
    parts: dict[str, float]


def features_of(shape: Sequence[int]) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return float32 features with class structure, and labels."""
    n, d, K = shape
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(n) % K)
    centres = generator.normal(size=(K, d)).astype(np.float32)
    rows = generator.standard_normal((n, d), dtype=np.float32)
    rows += 0.3 * centres[labels] + 1.0
    return rows, labels


def seconds(task: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def yard(rows: Array) -> None:
    """Compute what cannot be avoided: the Gram and its eigendecomposition, in float64."""
    linalg.eigh(rows.T @ rows, check_finite=False, driver="evd")


def suite(rows: Rows, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, float]:
    """Return the CPU seconds of the shared pass and of each score."""
    statistics = Statistics.of(rows, labels)
    parts = {"pass": seconds(lambda: statistics.moments)}
    for estimator in SUITE:
        parts[estimator.name] = seconds(partial(estimator.score, statistics))
    return parts


def measure(text: str, repeats: int) -> Measured:
    """Return the figures of one shape, medians over the repeats, taken in turn."""
    rows, labels = features_of([int(part) for part in text.split(",")])
    yards, suites, parts = [], [], {}
    for _ in range(repeats):
        wide = rows.astype(np.float64)
        yards.append(seconds(partial(yard, wide)))
        del wide
        start = time.process_time()
        parts = suite(rows, labels)
        suites.append(time.process_time() - start)
    tracemalloc.start()
    suite(rows, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    copies = peak / rows.nbytes  # beyond the features themselves
    found, own = median(yards), median(suites)
    return Measured(text, found, own, own / found, copies, parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the shapes and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", action="append", help="n,d,K; may be repeated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results = [measure(shape, options.repeats) for shape in options.shape or SHAPES]
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results]) + "\n")
        return
    sys.stdout.write(
        "| n, d, K | X'X + eigh (s) | five scores (s) | ratio | copies on top | parts (s) |\n"
    )
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for result in results:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in result.parts.items())
        sys.stdout.write(
            f"| {result.shape} | {result.yard_seconds:.2f} | {result.suite_seconds:.2f} "
            f"| {result.ratio:.2f} | {result.memory_copies:.2f} | {parts} |\n"
        )


if __name__ == "__main__":
    main()
