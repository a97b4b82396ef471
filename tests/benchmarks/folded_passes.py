"""Forward passes with batch norms folded into convolutions, as a ratio to those without.

    python -m tests.benchmarks.folded_passes CATALOGUE [--plugin FILE] [--threads 1] [--rounds 7]

For each source of a catalogue: milliseconds an image of its network and of the folded copy,
medians of rounds in turn, the seconds that folding takes once, and the ratio. Random pixels,
batches as in a fit.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.features import BATCH_SIZE
from autotransfer.models.folding import folded
from autotransfer.scenarios.inputs import choose_sources, discover_plugins
from autotransfer.scenarios.options import read_options

NUM_IMAGES = 1000  # of a target, which a default set of sources would depend on


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Passes with folded batch norms, as a ratio.")
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--plugin", type=Path, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    chosen = read_options({"sources": str(given.catalogue), "plugins": tuple(given.plugin)})
    print("| source | whole, ms | folded, ms | ratio | folding once, s |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    totals = [0.0, 0.0]
    for source in choose_sources(chosen, discover_plugins(chosen), NUM_IMAGES).sources:
        whole = load_backbone(source)
        began = time.perf_counter()
        lighter = folded(whole)
        spent = time.perf_counter() - began
        x = whole.sample(BATCH_SIZE).contiguous(memory_format=torch.channels_last)
        rounds = [(_seconds(whole, x), _seconds(lighter, x)) for _ in range(given.rounds + 1)][1:]
        first, second = (1000 * median(times) / len(x) for times in zip(*rounds, strict=True))
        totals = [totals[0] + first, totals[1] + second]
        print(  # noqa: T201
            f"| {source.name} | {first:.1f} | {second:.1f} | {second / first:.2f} | {spent:.2f} |"
        )
    ratio = totals[1] / totals[0]
    print(f"| **all** | {totals[0]:.1f} | {totals[1]:.1f} | {ratio:.2f} | |")  # noqa: T201


def _seconds(backbone: Backbone, x: Tensor) -> float:
    began = time.perf_counter()
    with torch.inference_mode():
        backbone.features(x)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
