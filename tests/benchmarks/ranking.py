"""What a ranking costs, in units of the bare forward passes of the same images.

    python tests/benchmarks/ranking.py IMAGES CATALOGUE [--plugin FILE]

Measures in one process, with the same threads: (a) a bare loop that decodes the images once for
each input size, loads every network and runs it on batches of 16 in channels_last; (b) the
ranking on an empty cache, every source on every image; (c) the same again, from the cache; (d)
with racing, on an empty cache. Prints each as a ratio to (a); imports are left out. Exits with 1
when a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from autotransfer.data.holdout import divide
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Geometry, PixelStore, decode, standardise
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import CACHE_VARIABLE, FeatureStore
from autotransfer.models.features import BATCH_SIZE, FeatureReaders
from autotransfer.models.source import Source
from autotransfer.results import Ranking
from autotransfer.scenarios.inputs import choose_sources, discover_plugins, open_labelled
from autotransfer.scenarios.options import read_options
from autotransfer.selection.predictions import PIXEL_BYTES
from autotransfer.transferability.ranking import DEFAULT_ESTIMATORS, Consensus, rank_sources

GOALS = {"every image": 1.10, "from the cache": 0.10, "racing": 0.50}


def bare(sources: tuple[Source, ...], images: ImageSet) -> None:
    """Decode once for each input size and run every network once."""
    pixels: dict[Geometry, torch.Tensor] = {}
    for source in sources:
        geometry = Geometry.of(source.preprocessing)
        if geometry not in pixels:
            pixels[geometry] = decode(images, geometry)
        network = load_backbone(source).network.eval().to(memory_format=torch.channels_last)
        with torch.inference_mode():
            for batch in torch.split(pixels[geometry], BATCH_SIZE):
                x = standardise(batch, source.preprocessing)
                network(x.contiguous(memory_format=torch.channels_last))


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall seconds of a call and what it returned."""
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def main() -> int:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images")
    parser.add_argument("catalogue")
    parser.add_argument("--plugin", action="append", default=[])
    given = parser.parse_args()
    chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
    registry = discover_plugins(chosen)
    opened = open_labelled(given.images, chosen)
    sources = choose_sources(chosen, registry, len(opened.train)).sources
    images = divide(opened).images
    consensus = Consensus([registry.estimator(name) for name in DEFAULT_ESTIMATORS], {})
    loads: list[str] = []

    def load(source: Source) -> Any:
        loads.append(source.name)
        return load_backbone(source)

    def ranked(folder: str, *, racing: bool) -> Ranking:
        readers = FeatureReaders(
            FeatureStore(Path(folder)), PixelStore(PIXEL_BYTES), load, torch.device("cpu")
        )
        return rank_sources(sources, images, readers, consensus, seed=0, racing=racing)[0]

    bare(sources[:1], images.subset(range(BATCH_SIZE)))  # warm up
    with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as fresh:
        before, _ = timed(lambda: bare(sources, images))
        full, everything = timed(lambda: ranked(cold, racing=False))
        loads.clear()
        cached, _ = timed(lambda: ranked(cold, racing=False))
        second_loads = len(loads)
        raced, race = timed(lambda: ranked(fresh, racing=True))
        after, _ = timed(lambda: bare(sources, images))
    unit = (before + after) / 2
    lines = [f"{len(sources)} sources, {len(images)} images, {torch.get_num_threads()} threads"]
    lines.append(f"bare forward passes: {before:.1f} s before, {after:.1f} s after")
    missed = second_loads > 0 or race.shortlist[0] != everything.shortlist[0]
    for name, seconds in zip(GOALS, (full, cached, raced), strict=True):
        ratio = seconds / unit
        missed = missed or ratio > GOALS[name]
        lines.append(f"{name}: {seconds:.1f} s, {ratio:.3f} x (goal {GOALS[name]:.2f})")
    lines.append(f"networks loaded in the second run: {second_loads}")
    lines.append(f"best source: {everything.shortlist[0]}, with racing {race.shortlist[0]}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(missed)


if __name__ == "__main__":
    os.environ.pop(CACHE_VARIABLE, None)
    sys.exit(main())
