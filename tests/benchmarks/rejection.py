"""How many known and how many foreign images the reject option rejects.

    python tests/benchmarks/rejection.py KIT [SOURCE]...

KIT is the folder of the kit. Each target is held against the other: its training images are the
reference, its test images are known, the other's test images are foreign.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.out_of_distribution import Rejection
from autotransfer.plugin.registry import discover

SHARES = (0.05, 0.1)
TARGETS = ("flowers5", "hymenoptera")


def main(kit: Path, names: list[str]) -> None:
    """Print one row a source, target and share."""
    discover(files=[kit / "weights" / "timm_extra.py"])
    catalogue = kit / "weights" / "catalogue.toml"
    sources = resolve_sources(catalogue, only=names or ["mobilenetv1-100-imagenet"]).sources
    device = torch.device("cpu")
    readers = FeatureReaders(FeatureStore(), PixelStore(1 << 29), load_backbone, device)
    targets = {name: open_target(str(kit / "data" / f"{name}.zip")) for name in TARGETS}
    print("| source | fit on | share | known rejected | foreign rejected |")  # noqa: T201
    print("| --- | --- | --- | --- | --- |")  # noqa: T201
    for source in sources:
        read = readers[source]
        for name, other in (TARGETS, TARGETS[::-1]):
            found = Rejection.of(read(targets[name].train))
            known, foreign = targets[name].held_out, targets[other].held_out
            assert found is not None
            assert known is not None
            assert foreign is not None
            for share in SHARES:
                rates = [found.rejected(read(i), share).mean() for i in (known, foreign)]
                print(f"| {source.name} | {name} | {share:g} | {rates[0]:.3f} | {rates[1]:.3f} |")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
