"""Target images that are none of the source's classes: how many are told of, and which.

    python tests/benchmarks/open_set.py KIT RESULTS.jsonl [--network NAME] [--pairs NAME ...]
        [--draws N] [--table]

A pair is source data and a target; unknown images are of classes that are drawn anew each time and
taken from the source, or of another set. Their share is drawn from 0 (a closed set) to a half.
Beside it stand simple scores with the threshold that rejects 5 % of held-out source images:
maximum softmax probability and entropy of a logistic probe, Mahalanobis distance, and the distance
to the second nearest source image. Known accuracy is that of a logistic probe where the image is
not rejected; H is its harmonic mean with the share of unknown images that are rejected. One line
of RESULTS.jsonl is one draw; what is there is not run again. Target labels are read afterwards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.heads import fit_logistic
from autotransfer.models.heads.linear import Standardisation
from autotransfer.models.open_set import MORE_PROBABLY
from autotransfer.models.out_of_distribution import directions, entropy_of, neighbour_distances
from autotransfer.models.unknown_mixture import probability_at
from autotransfer.plugin.registry import discover
from autotransfer.scenarios.unlabelled.unknown_classes import unknown_classes

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5)
MOST_READ, MOST_TARGET = 1200, 400
SIMPLE = ("maximum softmax", "entropy", "Mahalanobis", "distance")
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Source data, a target, where unknown images are from, and what the pair was used for."""

    name: str
    source: str
    target: str
    unknown: str | int  # another set, or how many of the source's classes
    role: str


PAIRS = (
    Pair("flowers5, hymenoptera unknown", "flowers5", "flowers5:test", "hymenoptera:test",
         "choosing"),
    Pair("eurosat, 3 of 10 unknown", "eurosat", "eurosat:test", 3, "choosing"),
    Pair("art_painting -> photo, 2 of 7", "pacs/art_painting", "pacs/photo", 2, "choosing"),
    Pair("photo -> art_painting, 2 of 7", "pacs/photo", "pacs/art_painting", 2, "choosing"),
    Pair("synth_digits -> mnistm, 3 of 10", "synth_digits", "mnistm", 3, "choosing"),
    Pair("cifar10, 3 of 10 unknown", "cifar10", "cifar10:test", 3, "judging"),
    Pair("caltech30, 10 of 30 unknown", "caltech30", "caltech30:test", 10, "judging"),
    Pair("flowers5, 2 of 5 unknown", "flowers5", "flowers5:test", 2, "judging"),
    Pair("flowers5, caltech30 unknown", "flowers5", "flowers5:test", "caltech30:test", "judging"),
    Pair("mnist -> usps, 3 of 10", "mnist", "usps", 3, "judging"),
    Pair("usps -> mnist, 3 of 10", "usps", "mnist", 3, "judging"),
    Pair("mnistm -> mnist, 3 of 10", "mnistm", "mnist", 3, "judging"),
    Pair("photo -> sketch, 2 of 7", "pacs/photo", "pacs/sketch", 2, "judging"),
    Pair("sketch -> photo, 2 of 7", "pacs/sketch", "pacs/photo", 2, "judging"),
)  # fmt: skip


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--network", default="mobilenetv1-050-imagenet")
    parser.add_argument("--pairs", nargs="*", default=[pair.name for pair in PAIRS])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    rows = _read(chosen.results)
    if chosen.table:
        print(*tables(rows), sep="\n")  # noqa: T201
        return
    torch.set_num_threads(1)
    discover(files=[chosen.kit / "weights" / "timm_extra.py"])
    catalogue = str(chosen.kit / "weights" / "catalogue.toml")
    source = resolve_sources(catalogue, only=[chosen.network]).sources[0]
    pixels = PixelStore(1 << 29)
    read = FeatureReaders(FeatureStore(), pixels, load_backbone, torch.device("cpu"))[source]
    done = {(row["network"], row["pair"], row["draw"]) for row in rows}
    for pair in PAIRS:
        wanted = [n for n in range(chosen.draws) if (chosen.network, pair.name, n) not in done]
        if pair.name not in chosen.pairs or not wanted:
            continue
        sets = [_set(chosen.kit, name, read) for name in (pair.source, pair.target)]
        other = _set(chosen.kit, pair.unknown, read) if isinstance(pair.unknown, str) else None
        for n in wanted:
            found = {"network": chosen.network, "pair": pair.name, "role": pair.role, "draw": n}
            found |= _judged(*_drawn(sets, other, pair, n), seed=n)
            with chosen.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


def _set(kit: Path, name: str, read: Features) -> tuple[Rows, NDArray[np.int64]]:
    images = _opened(kit, name).sample(MOST_READ, 0)
    return np.asarray(read(images), np.float64), images.labels


def _opened(kit: Path, name: str) -> ImageSet:
    if name.startswith("pacs/"):
        return open_target(
            f"zip://{name.removeprefix('pacs/')}::{kit / 'data' / 'pacs.zip'}"
        ).train
    stem, _, part = name.partition(":")
    path = next((kit / "data").glob(f"{stem}.*"))
    opened = open_target(str(path))
    found = (opened.held_out or opened.validation) if part else opened.train
    assert found is not None
    return found


def _drawn(
    sets: list[tuple[Rows, NDArray[np.int64]]],
    other: tuple[Rows, NDArray[np.int64]] | None,
    pair: Pair,
    n: int,
) -> tuple[Rows, NDArray[np.int64], Rows, NDArray[np.int64]]:
    """Return source features and labels, target features and labels, -1 for unknown ones."""
    generator = np.random.default_rng(1000 + n)
    (known, labels), (target, truth) = sets
    classes = generator.permutation(np.unique(labels))
    out = np.isin(truth, classes[: pair.unknown]) if isinstance(pair.unknown, int) else None
    if out is None:
        assert other is not None
        unknown = other[0]
    else:
        kept = ~np.isin(labels, classes[: int(pair.unknown)])
        known, labels = known[kept], labels[kept]
        unknown, target, truth = target[out], target[~out], truth[~out]
    share = SHARES[n % len(SHARES)]
    size = min(MOST_TARGET, int(0.9 * len(target) / (1 - share)))
    if share:
        size = min(size, int(0.9 * len(unknown) / share))
    num_unknown = round(share * size)
    some = generator.permutation(len(target))[: size - num_unknown]
    strange = generator.permutation(len(unknown))[:num_unknown]
    rows = np.concatenate([target[some], unknown[strange]])
    return known, labels, rows, np.concatenate([truth[some], np.full(num_unknown, -1)])


def _judged(
    known: Rows, labels: NDArray[np.int64], rows: Rows, truth: NDArray[np.int64], *, seed: int
) -> dict[str, Any]:
    found = unknown_classes(known, labels, rows, seed=seed)
    strange, mixture = truth < 0, found.mixture
    names, places = np.unique(labels, return_inverse=True)
    head = fit_logistic(known, places, len(names))
    right = names[head.probabilities(rows).argmax(axis=1)] == truth
    z = found.novelty.z(rows)
    out = (probability_at(mixture.probabilities, z) > MORE_PROBABLY) & found.found
    said = {"ours": (z, out), **_simple(known, places, rows, seed)}
    open_set = said if strange.any() else {}
    return {
        "right": float(strange.mean()),
        "share": mixture.share,
        "low": mixture.low,
        "high": mixture.high,
        "shift": mixture.shift,
        "aligned": found.aligned,
        "told": not found.doubt,
        "known rejected": float(out[~strange].mean()),
        "unknown rejected": float(out[strange].mean()) if strange.any() else None,
        "source-only accuracy": float(right[~strange].mean()),
        "auroc": {n: float(roc_auc_score(strange, score)) for n, (score, _) in open_set.items()},
        "h": {
            n: _harmonic((right & ~far)[~strange].mean(), far[strange].mean())
            for n, (_, far) in open_set.items()
        },
        "known rejected by": {n: float(far[~strange].mean()) for n, (_, far) in said.items()},
    }


def _harmonic(one: float, other: float) -> float:
    return float(2 * one * other / (one + other)) if one + other else 0.0


def _simple(
    known: Rows, places: NDArray[np.int64], rows: Rows, seed: int
) -> dict[str, tuple[Rows, NDArray[np.bool_]]]:
    """Return each simple score of the target, and what lies beyond 95 % of held-out images."""
    order = np.random.default_rng(seed).permutation(len(known))
    held_out, learn = np.split(order, [len(order) // 4])
    learnt = known[learn], places[learn]
    scores = [_scores(*learnt, new) for new in (known[held_out], rows)]
    return {
        name: (of_target, of_target > np.quantile(of_source, 0.95))
        for name, of_source, of_target in zip(SIMPLE, *scores, strict=True)
    }


def _scores(known: Rows, places: NDArray[np.int64], new: Rows) -> list[Rows]:
    said = fit_logistic(known, places, int(places.max()) + 1).probabilities(new)
    scale = Standardisation.of(known)
    x, z = scale.apply(known), scale.apply(new)
    means = np.stack([x[places == k].mean(axis=0) for k in np.unique(places)])
    within = x - means[np.searchsorted(np.unique(places), places)]
    covariance = within.T @ within / len(x)
    inverse = np.linalg.inv(0.9 * covariance + 0.1 * np.trace(covariance) / len(covariance)
                            * np.eye(len(covariance)))  # fmt: skip
    far = np.stack([(((z - mean) @ inverse) * (z - mean)).sum(axis=1) for mean in means])
    near = neighbour_distances(directions(new), directions(known), own=False)
    return [-said.max(axis=1), entropy_of(said), far.min(axis=0), near]


def _read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of both tables: what is told, and the scores beside simple ones."""
    yield (
        "| pair | role | draws | told | in the interval | its width | share off | closed sets: "
        "rejected | known rejected | unknown rejected |"
    )
    yield "|" + "---|" * 10
    for title, here in _groups(rows):
        told = [row for row in here if row["told"]]
        inside = [row["low"] <= row["right"] <= row["high"] for row in told]
        cells = [
            f"{len(here)}", f"{len(told)}", _mean(map(float, inside), "{:.0%}"),
            _mean(row["high"] - row["low"] for row in told),
            _mean(abs(row["share"] - row["right"]) for row in told),
            _mean((row["known rejected"] for row in here if not row["right"]), "{:.1%}"),
            _mean((row["known rejected"] for row in told if row["right"]), "{:.1%}"),
            _mean((row["unknown rejected"] for row in told if row["right"]), "{:.1%}"),
        ]  # fmt: skip
        yield f"| {title} | {' | '.join(cells)} |"
    yield ""
    names = ("ours", *SIMPLE)
    yield f"| pair | role | AUROC: {' | '.join(names)} | H: {' | '.join(names)} |"
    yield "|" + "---|" * (2 + 2 * len(names))
    for title, here in _groups(rows):
        opened = [row for row in here if row["right"]]
        told = [row for row in opened if row["told"]]
        cells = [_mean(row["auroc"][name] for row in opened) for name in names]
        cells += [_mean(row["h"][name] for row in told) for name in names]
        yield f"| {title} | {' | '.join(cells)} |"


def _groups(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for network in dict.fromkeys(row["network"] for row in rows):
        of_network = [row for row in rows if row["network"] == network]
        for pair in PAIRS:
            here = [row for row in of_network if row["pair"] == pair.name]
            if here:
                yield f"{pair.name} | {pair.role}", here
        for role in ("choosing", "judging"):
            here = [row for row in of_network if row["role"] == role]
            yield f"**{network}, all {role}** |", here


def _mean(values: Any, form: str = "{:.3f}") -> str:
    found = list(values)
    return form.format(sum(found) / len(found)).replace("%", " %") if found else "-"


if __name__ == "__main__":
    main()
