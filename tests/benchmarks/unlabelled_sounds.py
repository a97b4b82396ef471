"""Spoken digits of speakers without labels, learnt from other speakers' labelled ones.

    python -m tests.benchmarks.unlabelled_sounds KIT CATALOGUE [--learnt N] [--methods NAME...]
        [--networks NAME...] [--targets SPEAKER...] [--rate X]

CATALOGUE is docs/examples/sound_networks.toml with the kit's weights beside it. Of the six
speakers of the kit's spoken_digits N learn (1, 3 or 5; the source data), and one other is the
target, whose labels no method and no validator reads. Prints a row for each network and method,
means over the targets, all six unless some are named: accuracy in percent on all sounds of the
target (that of each target behind it), the score of MixVal, seconds; then how much is right of
what the consensus returns among the methods that ran. `docs/benchmarks/sounds.md` has the table.
"small" is the network without a source. Two cores, no GPU.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover
from tests.benchmarks.sounds import PLUGIN
from tests.benchmarks.unlabelled_texts import METHODS, between, tried

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
LEARNT = (1, 3, 5)


def domains(kit: Path, target: str, learnt: int) -> tuple[ImageSet, ImageSet]:
    """Return the labelled sounds of so many speakers after the target's, and the target's."""
    items = open_target(kit / "data" / "spoken_digits.zip").train
    said_by = np.array([Path(name).stem.split("_")[0] for name in items.names])
    after = SPEAKERS.index(target) + 1
    others = [SPEAKERS[(after + i) % len(SPEAKERS)] for i in range(learnt)]
    return (
        items.subset(np.flatnonzero(np.isin(said_by, others))),
        items.subset(np.flatnonzero(said_by == target)),
    )


def run_network(source: Source, given: argparse.Namespace) -> None:
    """Print the rows of one network."""
    every: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
    returned, chosen = [], []
    for target in given.targets:
        found, choice = tried(
            between(*domains(given.kit, target, given.learnt), source), given.methods, given.rate
        )
        for name, values in found.items():
            every[name].append(values)
        if choice is not None:
            returned.append(found[choice][0])
            chosen.append(choice)
    for name, rows in every.items():
        right, mixval, seconds = np.mean(rows, axis=0)
        each = " ".join(f"{row[0]:.0f}" for row in rows)
        print(  # noqa: T201
            f"{given.learnt} {source.name} {name}: {right:.1f} ({each})  mixval {mixval:.3f}  "
            f"{seconds:.0f} s",
            flush=True,
        )
    if returned:
        told = ", ".join(chosen)
        print(f"{given.learnt} {source.name} returned: {np.mean(returned):.1f} ({told})")  # noqa: T201


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--learnt", type=int, choices=LEARNT, default=5)
    parser.add_argument("--targets", choices=SPEAKERS, nargs="+", default=SPEAKERS)
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    parser.add_argument("--networks", nargs="+", default=["speaker", "pitch", "small"])
    parser.add_argument("--rate", type=float, default=1.0, help="multiplies learning rates")
    given = parser.parse_args()
    torch.set_num_threads(1)
    discover(files=[PLUGIN])
    sources = {source.name: source for source in read_catalogue(given.catalogue)[0]}
    for name in given.networks:
        run_network(small_sound_source() if name == "small" else sources[name], given)


if __name__ == "__main__":
    main()
