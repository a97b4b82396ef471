"""Fits on texts and sounds beside logistic regression on the same rows: is the best one returned?

    python -m tests.benchmarks.items_shown KIT CATALOGUE CASE [--seconds N] [--draw N]

CATALOGUE is docs/examples/sound_networks.toml with the kit's weights beside it, which cases of
texts do not read. The cases:

    texts-5, texts-40      banking20 with 5 or all labels a class; MiniLM and the static embedding
    static-40              the static embedding alone
    open                   clinc15_open, and its texts of none of the classes (area under the ROC)
    digits-5, pitch-5      spoken digits, folds by speaker; both networks, or the pitch network
    speakers-5             the speaker as the class, folds by digit; both networks

Prints one line: the verdict, what is returned and its tested score in percent, and the rows. Texts
are tested on the test split of the data. Sounds are tested out of fold: a row is logistic
regression with every group left out in turn, on the same sounds. `docs/benchmarks/texts.md`
and `docs/benchmarks/sounds.md` have the lines. --draw chooses the labels; two cores, no GPU.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import autotransfer
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.data.target import Target, open_images, open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.heads import fit_logistic
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.predictors.spectra import fit_spectra
from autotransfer.models.predictors.words import fit_words
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.registry import discover
from autotransfer.selection.selection import Selection
from tests.benchmarks.sounds import PLUGIN, write_five

TEXTS = {"texts-5": 5, "texts-40": 40, "static-40": 40, "open": 40}
SOUNDS = ("digits-5", "pitch-5", "speakers-5")
Division = tuple[ImageSet, ImageSet]


def write_texts(kit: Path, name: str, per_class: int, path: Path) -> None:
    """Write so many training texts of each class, and those of the test, as a table."""
    rows = pd.read_csv(kit / "data" / f"{name}.csv")
    train, test = rows[rows["split"] == "train"], rows[rows["split"] == "test"]
    drawn = train.groupby("label").sample(min(per_class, train["label"].value_counts().min()))
    pd.concat([drawn, test]).to_csv(path, index=False)


def rows_of(
    divisions: list[Division], sources: list[Source], plain: Callable[[ImageSet, int], Any]
) -> dict[str, float]:
    """Return the accuracy in percent of logistic regression on every stage, and of no source."""
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    found: dict[str, list[NDArray[np.bool_]]] = {}
    for train, tested in divisions:
        K = len(train.class_names)
        said = {"no source": plain(train, K).predict(tested, NO_FEATURES)}
        for source in sources:
            reader, blocks = readers[source], list[tuple[Any, Any]]()
            for stage in range(1, reader.num_stages + 1):
                x, unseen = reader(train, stage), reader(tested, stage)
                centre = x.mean(axis=0)
                blocks.append((unit_rows(x - centre), unit_rows(unseen - centre)))
                said[f"{source.name} {stage}"] = _told(blocks[-1:], train, K)
            said[f"{source.name} all"] = _told(blocks, train, K)
        for name, shares in said.items():
            found.setdefault(name, []).append(shares.argmax(axis=1) == tested.labels)
    return {name: 100 * float(np.mean(np.concatenate(hits))) for name, hits in found.items()}


def _told(blocks: list[tuple[Any, Any]], train: ImageSet, K: int) -> NDArray[np.float64]:
    x, unseen = (np.concatenate(part, axis=1) for part in zip(*blocks, strict=True))
    return fit_logistic(x, train.labels, K).probabilities(unseen)


def divisions_of(target: Target) -> Iterator[Division]:
    """Yield training and tested items: the test split, or each group left out in turn."""
    if target.held_out is not None:
        yield target.train, target.held_out
        return
    groups = np.array(target.groups)
    for group in np.unique(groups):
        out = groups == group
        yield target.train.subset(np.flatnonzero(~out)), target.train.subset(np.flatnonzero(out))


def unknown_told(selection: Selection, kit: Path, tested: ImageSet) -> float:
    """Return the area under the ROC curve of texts of none of the classes."""
    rows = pd.read_csv(kit / "data" / "clinc15_open.csv")
    strange = open_images(list(rows[rows["split"] == "unknown"]["text"]), modality=Modality.TEXT)
    rejection = selection.kept.rejection
    assert rejection is not None
    far = [rejection.distance(selection._opened(part)[1](part)) for part in (tested, strange)]
    return float(roc_auc_score(np.repeat([0, 1], [len(far[0]), len(far[1])]), np.concatenate(far)))


def fitted(given: argparse.Namespace, place: Path) -> str:
    """Return the line of a case."""
    case, kit = given.case, given.kit
    options: dict[str, Any] = {}
    plain: Callable[[ImageSet, int], Any]
    if case in TEXTS:
        name = "clinc15_open" if case == "open" else "banking20"
        path, plain = place / f"{case}.csv", partial(fit_words, seed=0)
        write_texts(kit, name, TEXTS[case], path)
        names = ("wordllama_256",) if case == "static-40" else ("minilm_l6", "wordllama_256")
        sources = [source_of_folder(kit / "weights" / name) for name in names]
    else:
        path, plain = place / "five.csv", partial(fit_spectra, seed=0)
        write_five(kit / "data" / "spoken_digits.zip", place, given.draw)
        if case == "speakers-5":
            _turned(path)
        discover(files=[PLUGIN])
        sources = [*read_catalogue(given.catalogue)[0]]
        sources = [s for s in sources if case != "pitch-5" or s.name == "pitch"]
        group = "digit" if case == "speakers-5" else "speaker"
        options = {"plugins": [PLUGIN], "group_column": group}
    selection = autotransfer.fit(
        path, sources=sources, seconds=given.seconds, tracking_uri="off", report=False,
        workspace=place, out=place / "model", **options,
    )  # fmt: skip
    target = open_target(path, group_column=options.get("group_column"))
    rows = rows_of(list(divisions_of(target)), sources, plain)
    verdict = selection.verdict
    score = verdict.returned_test if verdict.returned_test is not None else float("nan")
    gap = 100 * (verdict.gap.value if verdict.gap else 0.0)
    told = "  ".join(f"{name} {value:.1f}" for name, value in rows.items())
    more = ""
    if case == "open" and target.held_out is not None:
        more = f"; of none of the classes {unknown_told(selection, kit, target.held_out):.3f}"
    return (
        f"{case}: {verdict.decision}, returned {verdict.returned} {100 * score:.1f}{more}; "
        f"search {selection.best.strategy}, gap {gap:.1f} | {told}"
    )


def _turned(path: Path) -> None:
    """Make the speaker the label, and the digit the group."""
    rows = pd.read_csv(path).rename(columns={"label": "digit", "speaker": "label"})
    rows.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)


def main() -> None:
    """Print the line of a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("case", choices=[*TEXTS, *SOUNDS])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--draw", type=int, default=0)
    given = parser.parse_args()
    np.random.seed(given.draw)  # noqa: NPY002 - pandas draws from it
    with tempfile.TemporaryDirectory() as place:
        line = fitted(given, Path(place))
    print(line)  # noqa: T201


if __name__ == "__main__":
    main()
