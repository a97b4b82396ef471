"""Heads on frozen features of sounds, and statistics of spectra, with speakers kept apart.

    python -m tests.benchmarks.sounds KIT CATALOGUE [--draws N]

CATALOGUE is docs/examples/sound_networks.toml with the kit's weights beside it. Prints, for 2, 5
and 20 labelled sounds a class of the kit's spoken_digits, the mean accuracy in percent on a
speaker of whom nothing was learnt, over speakers and draws: of the baseline and of a ridge probe
on every stage. "together" is the last stages of all sources, as the plain mean and as the mixture
that a fit returns (but for its joint probe). `--copies` prints instead how many of the sounds are
found again as a near duplicate after they were compressed; `--five FOLDER` writes five sounds of
each class and `five.csv`, which `docs/sound.md` fits. `docs/benchmarks/sounds.md` has the table.
Two cores, no GPU.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.data.near_duplicates import near_duplicates
from autotransfer.data.sounds.decoding import needed
from autotransfer.data.sounds.reading import sounds_of
from autotransfer.data.target import open_images, open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.predictors.spectra import fit_spectra
from autotransfer.models.source import Source
from autotransfer.plugin.heads import fit_ridge, fit_unit_ridge, mixture_weights, unit_rows
from autotransfer.plugin.registry import discover

LABELS = (2, 5, 20)
PRIOR = 20.0  # as of `mixture-of-probes`
PLUGIN = Path("docs/examples/sound_networks.py")


def accuracies(
    items: ImageSet, sources: tuple[Source, ...], per_class: int, draws: int
) -> dict[str, float]:
    """Return the mean accuracy in percent of each method."""
    speakers = np.array([Path(name).stem.split("_")[0] for name in items.names])
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    found: defaultdict[str, list[float]] = defaultdict(list)
    for draw in range(draws):
        for speaker in np.unique(speakers):
            tested = items.subset(np.flatnonzero(speakers == speaker))
            learnt = items.subset(_drawn(items, speakers != speaker, per_class, draw))
            spectra = fit_spectra(learnt, 10, seed=draw).predict(tested, NO_FEATURES)
            found["spectra"].append(_right(spectra, tested))
            together = []
            for source in sources:
                reader = readers[source]
                names = [stage.module for stage in reader.backbone.stages]
                for i, name in enumerate(names, start=1):
                    x, unseen = reader(learnt, i), reader(tested, i)
                    centre = x.mean(axis=0)
                    head = fit_ridge(unit_rows(x - centre), learnt.labels, 10)
                    said = head.probabilities(unit_rows(unseen - centre))
                    found[f"{source.name} {name}"].append(_right(said, tested))
                together.append(_probed(x, unseen, learnt.labels))
            said, likely = map(np.stack, zip(*together, strict=True))
            weights = mixture_weights(likely, prior=PRIOR / len(likely))
            for title, shares in (
                ("mean", np.full(len(said), 1 / len(said))),
                ("mixture", weights),
            ):
                found[f"together: {title}"].append(_right(np.tensordot(shares, said, 1), tested))
    return {title: 100 * float(np.mean(values)) for title, values in found.items()}


def _probed(
    x: NDArray[np.float32], unseen: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a probe says of unseen rows, and of the class of each row without it."""
    fit, centre = fit_unit_ridge(x, labels, 10)
    read = unseen if centre is None else unit_rows(unseen - centre)
    return fit.head.probabilities(read), fit.likely(labels)


def copies_found(items: ImageSet, kind: str) -> float:
    """Return the share of sounds that are found again after they were compressed."""
    library, given = needed("soundfile"), []
    for sound in sounds_of(items):
        stream = io.BytesIO()
        library.write(stream, sound.samples, sound.rate, format=kind)
        given.append(stream.getvalue())
    again = open_images([{"bytes": content} for content in given], modality=Modality.SOUND)
    pairs = near_duplicates(items, again)
    return float(
        np.mean(np.isin(np.arange(len(items)), pairs[pairs[:, 1] - pairs[:, 0] == len(items), 0]))
    )


def write_five(archive: Path, folder: Path, draw: int = 0) -> None:
    """Write five sounds of each class into a folder, and a table with their speakers."""
    rng, rows = random.Random(draw), []  # noqa: S311 - no secret
    with zipfile.ZipFile(archive) as zipped:
        names = sorted(name for name in zipped.namelist() if name.endswith(".wav"))
        for label in sorted({Path(name).parent.name for name in names}):
            for name in rng.sample([n for n in names if Path(n).parent.name == label], 5):
                zipped.extract(name, folder)
                rows.append((name, label, Path(name).stem.split("_")[0]))
    with (folder / "five.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sound", "label", "speaker"), *rows])


def _drawn(
    items: ImageSet, allowed: NDArray[np.bool_], per_class: int, draw: int
) -> NDArray[np.int64]:
    rng = np.random.default_rng(draw)
    members = [np.flatnonzero(allowed & (items.labels == k)) for k in range(10)]
    return np.concatenate([rng.permutation(rows)[:per_class] for rows in members])


def _right(said: NDArray[np.float64], tested: ImageSet) -> float:
    return float((said.argmax(axis=1) == tested.labels).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--copies", action="store_true")
    parser.add_argument("--five", type=Path)
    given = parser.parse_args()
    if given.five is not None:
        write_five(given.kit / "data" / "spoken_digits.zip", given.five)
        return
    items = open_target(given.kit / "data" / "spoken_digits.zip").train
    if given.copies:
        for kind in ("OGG", "MP3"):
            print(f"{kind}: {copies_found(items.sample(60), kind):.0%} found again")  # noqa: T201
        return
    discover(files=[PLUGIN])
    sources, _ = read_catalogue(given.catalogue)
    for per_class in LABELS:
        row = accuracies(items, sources, per_class, given.draws)
        told = "  ".join(f"{title} {value:.1f}" for title, value in row.items())
        print(f"{per_class}: {told}")  # noqa: T201


if __name__ == "__main__":
    main()
