"""How soon the command line speaks, beside what importing PyTorch takes.

    python -m tests.benchmarks.first_seconds [REPEATS]

Each line: CPU seconds of the whole process, as a share of `import torch` in the same run, and wall
seconds until its first line; medians. A fit is ended after its first line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

CASES = {
    "import torch": ["-c", "import torch; print()"],
    "--help": ["-m", "autotransfer", "--help"],
    "fit, no such folder": ["-m", "autotransfer", "fit", "nowhere"],
    "fit, a mistyped sampler": ["-m", "autotransfer", "fit", ".", "--sampler", "tpo"],
    "fit, until it speaks": ["-m", "autotransfer", "fit", "."],
}


def measured(arguments: list[str]) -> tuple[float, float]:
    """Return CPU seconds of a process, and wall seconds until its first line; it ends then."""
    before, began = os.times(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = time.perf_counter() - began
        if arguments[-2:] == ["fit", "."]:
            process.kill()
        process.stdout.read()
    after = os.times()
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system, first


def main(repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        os.chdir(folder)
        runs = {name: [measured(a) for _ in range(repeats)] for name, a in CASES.items()}
    found = {n: [median(run[i] for run in r) for i in (0, 1)] for n, r in runs.items()}
    print("| command | CPU s | of `import torch` | first line, s |\n| --- | --- | --- | --- |")  # noqa: T201
    for name, (cpu, first) in found.items():
        print(f"| {name} | {cpu:.2f} | {cpu / found['import torch'][0]:.2f} | {first:.2f} |")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
