"""The scoreboard: a fit of a minute and a half against what 20 lines do in seconds.

    python -m tests.benchmarks.scoreboard run [--record FILE] [--python-path CHECKOUT]
        [--draws 0-2] [--seconds 90] [--jobs 2] [--sets NAME ...] [--shots K ...]
    python -m tests.benchmarks.scoreboard features [--draws 0-2]
    python -m tests.benchmarks.scoreboard table [--record FILE] [--before RECORD]

All take --kit KIT (else AUTOTRANSFER_KIT, or ../shared/kit) and --work FOLDER, where images,
features and records are kept. `run` adds one line to the record for each draw of each cell; what
is there already is not run again. Ours is a fit with the time given, one thread, a process and an
empty cache of its own, from the checkout that `--python-path` names (else this one; plugins that
only that one has must be installed). The rivals read the same sources: ridge on the last stage of
the default source, which is the first of the catalogue, and the plain mean of such probes of all
sources, each tempered by its leave-one-out log loss. Cells, draws and tested images:
`scoreboard_draws.py`. `table` prints Markdown; with the record of an earlier version, what this
one gains on the draws that both have. `features` computes what the draws need, no more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from tests.benchmarks.probe_rules import DEFAULT_PROBE, PLAIN_MEAN, Features, answers_of
from tests.benchmarks.scoreboard_draws import (
    SETS,
    SHOTS,
    Draw,
    Match,
    TargetSet,
    catalogue_of,
    draw,
    fill,
    numbers,
    open_set,
    plugin_of,
    readers_in,
    sources_of,
    standard_kit,
    standard_work,
)
from tests.benchmarks.scoreboard_table import (
    OURS,
    comparison,
    joined,
    played_in,
    read_record,
    tables,
)

REPOSITORY = Path(__file__).resolve().parents[2]
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
FORGOTTEN = ("MLFLOW_TRACKING_URI", "AUTOTRANSFER_PLUGINS")
BEFORE = "before"
PATIENCE = 600  # seconds beyond ten times the budget, after which a fit is given up

_writing = threading.Lock()


@dataclass(frozen=True)
class Contest(Match):
    """A draw of a cell, and what the rivals said of it.

    Args:
        sources: Names of the sources, the default one first.
        said: (m,) classes by rival.
        seconds: Of each rival, beside the features.
    """

    sources: tuple[str, ...]
    said: Mapping[str, NDArray[np.int64]]
    seconds: Mapping[str, float]


def main() -> None:
    """Run what is missing, or print the tables."""
    chosen = _arguments()
    if chosen.record is None:
        chosen.record = chosen.work / "record.jsonl"
    if chosen.command == "table":
        played = played_in(read_record(chosen.record))
        lines = [*tables(played)]
        if chosen.before is not None:
            paired = joined(played, {BEFORE: read_record(chosen.before)})
            lines += ["", *comparison(paired, [BEFORE])]
        print(*lines, sep="\n")  # noqa: T201
        return
    if chosen.command == "features":
        readers = readers_in(chosen.work)
        for target in SETS:
            if target.name in chosen.sets:
                _fill(target, open_set(target, chosen.kit, chosen.work), chosen, readers)
        return
    _check_record(chosen)
    matches = sorted(_missing(chosen), key=lambda match: match.number)
    with ThreadPoolExecutor(chosen.jobs) as pool:
        list(pool.map(lambda match: _play(match, chosen), matches))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ours against what 20 lines do in seconds.")
    parser.add_argument("command", choices=("run", "features", "table"))
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=standard_work())
    parser.add_argument("--record", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--python-path", type=Path, default=REPOSITORY)
    parser.add_argument("--draws", type=numbers, default=range(3))
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sets", nargs="*", default=[target.name for target in SETS])
    parser.add_argument("--shots", nargs="*", type=int, default=SHOTS)
    return parser.parse_args()


def _check_record(chosen: argparse.Namespace) -> None:
    """Refuse to mix budgets in one record."""
    budgets = {line["budget"] for line in read_record(chosen.record)}
    if budgets - {chosen.seconds}:
        sys.exit(f"{chosen.record} has fits of {budgets} seconds; name another --record")


def _missing(chosen: argparse.Namespace) -> Iterator[Contest]:
    """Yield the draws that are not in the record, with the answers of the rivals."""
    done = {(line["set"], line["shots"], line["draw"]) for line in read_record(chosen.record)}
    readers = readers_in(chosen.work)
    for target in SETS:
        wanted = [
            (shots, number)
            for number in chosen.draws
            for shots in target.shots
            if target.name in chosen.sets
            and shots in chosen.shots
            and (target.name, shots, number) not in done
        ]
        if not wanted:
            continue
        images = open_set(target, chosen.kit, chosen.work)
        _fill(target, images, chosen, readers)
        sources = sources_of(target, chosen.kit)
        for shots, number in wanted:
            drawn = draw(target, images.labels, shots, number)
            said, seconds = _rivals(drawn, images, sources, readers)
            names = tuple(source.name for source in sources)
            yield Contest(target, images, shots, number, drawn, names, said, seconds)


def _fill(
    target: TargetSet, images: ImageSet, chosen: argparse.Namespace, readers: FeatureReaders
) -> None:
    for source, passed, seconds in fill(target, images, chosen.draws, chosen.kit, readers):
        if passed:
            _say(f"{target.name}: {passed} images through {source}, {seconds:.0f} s")


def _rivals(
    drawn: Draw, images: ImageSet, sources: tuple[Source, ...], readers: FeatureReaders
) -> tuple[dict[str, NDArray[np.int64]], dict[str, float]]:
    """Return the classes that the rivals name, and their seconds."""
    labelled, tested = images.subset(drawn.labelled), images.subset(drawn.tested)
    began, answers, first = time.perf_counter(), [], 0.0
    for source in sources:
        read = Features(readers[source](labelled), readers[source](tested))
        answers.append(answers_of(read, labelled.labels, len(images.class_names)))
        first = first or time.perf_counter() - began
    seconds = {DEFAULT_PROBE: round(first, 2), PLAIN_MEAN: round(time.perf_counter() - began, 2)}
    said = {DEFAULT_PROBE: answers[0], PLAIN_MEAN: np.mean(answers, axis=0)}
    return {name: found.argmax(axis=1) for name, found in said.items()}, seconds


def _play(match: Contest, chosen: argparse.Namespace) -> None:
    """Run ours and add a line to the record; a process that dies adds none."""
    folder = Path(tempfile.mkdtemp(prefix="scoreboard-"))
    try:
        ours = _fit(match, chosen, folder)
    except (subprocess.SubprocessError, OSError) as error:
        _say(f"{match.title}: {error}\n{getattr(error, 'stderr', '')}")
        return
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    truth = match.images.labels[match.drawn.tested]
    named = {name: i for i, name in enumerate(match.images.class_names)}
    found = [named[name] for name in ours.pop("predicted")] or [-1] * len(truth)
    said = {OURS: np.array(found), **match.said}
    line = {
        "set": match.target.name,
        "shots": match.shots,
        "draw": match.number,
        "budget": chosen.seconds,
        "version": _version(chosen.python_path),
        "labelled": len(match.drawn.labelled),
        "sources": len(match.sources),
        "ours": ours,
        "rival_seconds": match.seconds,
        "items": match.drawn.tested.tolist(),
        "hits": {name: _marks(classes == truth) for name, classes in said.items()},
    }
    with _writing, chosen.record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    shown = ", ".join(f"{name} {np.mean(classes == truth):.3f}" for name, classes in said.items())
    _say(f"{match.title}: {shown}; {ours.get('strategy', 'no answer')}, {ours['seconds']:.0f} s")


def _marks(hits: NDArray[np.bool_]) -> str:
    return "".join("1" if hit else "0" for hit in hits)


def _fit(match: Contest, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what a fit in a process of its own has told."""
    store = chosen.work.resolve() / "images" / match.target.name
    target = folder / match.target.name
    for name in match.images.subset(match.drawn.labelled).names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store / name, target / name)
    order, answer = folder / "order.json", folder / "answer.json"
    content = {
        "target": str(target),
        "sources": str(catalogue_of(chosen.kit.resolve())),
        "plugins": [str(plugin_of(chosen.kit.resolve()))],
        "source": match.sources,
        "seconds": chosen.seconds,
        "seed": match.number,
        "folder": str(folder),
        "tested": [str(store / n) for n in match.images.subset(match.drawn.tested).names],
        "cache": str(chosen.work.resolve()),
    }
    order.write_text(json.dumps(content), encoding="utf-8")
    script = Path(__file__).with_name("scoreboard_fit.py")
    subprocess.run(
        [sys.executable, "-P", str(script), str(order), str(answer)],
        cwd=folder,
        env=_environment(chosen.python_path.resolve(), folder),
        timeout=10 * chosen.seconds + PATIENCE,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def _environment(checkout: Path, folder: Path) -> dict[str, str]:
    """Return the environment of a fit: one thread, an empty cache, the code of a checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in FORGOTTEN}
    places = [checkout, checkout / "plugins", checkout / "search_spaces"]
    return {
        **kept,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "AUTOTRANSFER_CACHE": str(folder / "cache"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _version(checkout: Path) -> str:
    """Return the commit of a checkout, with "-dirty" where files differ; "" outside git."""
    asked = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
