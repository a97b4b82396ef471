"""The scoreboard's draws, given to other tools: fastai itself, and LP-FT in plain torch.

    python -m venv PEERS; PEERS/bin/pip install fastai timm safetensors
    python -m tests.benchmarks.against_peers run --fastai PEERS/bin/python
        [--peers fastai LP-FT] [--draws 0-2] [--sets NAME ...] [--shots K ...]
    python -m tests.benchmarks.against_peers table [--record FILE] [--ours FILE]

All take --kit KIT and --work FOLDER, as `scoreboard.py` does, whose record is `--ours`. Each peer
trains the default source, the first of the catalogue, on the labelled images of a draw and names
the classes of the tested ones, in a process of its own with one thread. A user of one network has
no search: epochs are 2000 by the number of images, at least 3 and at most 20, about the minute
and a half that a fit of the scoreboard has. `table` prints ours beside them, with paired
intervals. What each peer does: `peer_fastai.py`, `peer_lp_ft.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.scoreboard_draws import (
    SETS,
    SHOTS,
    Match,
    catalogue_of,
    draw,
    numbers,
    open_set,
    standard_kit,
    standard_work,
)
from tests.benchmarks.scoreboard_table import comparison, joined, played_in, read_record

FASTAI, LP_FT = "fastai", "LP-FT"
SCRIPTS = {FASTAI: "peer_fastai.py", LP_FT: "peer_lp_ft.py"}
PASSES, FEWEST_EPOCHS, MOST_EPOCHS = 2000, 3, 20
PATIENCE = 3600  # seconds


def main() -> None:
    """Run what is missing, or print the table."""
    chosen = _arguments()
    if chosen.command == "table":
        lines = read_record(chosen.record)
        peers = [name for name in SCRIPTS if any(name in line["hits"] for line in lines)]
        others = {peer: [line for line in lines if peer in line["hits"]] for peer in peers}
        played = joined(played_in(read_record(chosen.ours)), others)
        print(*comparison(played, peers), sep="\n")  # noqa: T201
        return
    for match in _matches(chosen):
        for peer in chosen.peers:
            if not _is_done(match, peer, chosen.record):
                _play(match, peer, chosen)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The scoreboard's draws, given to other tools.")
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--kit", type=Path, default=standard_kit())
    parser.add_argument("--work", type=Path, default=standard_work())
    parser.add_argument("--record", type=Path)
    parser.add_argument("--ours", type=Path)
    parser.add_argument("--fastai", type=Path, help="the interpreter of its environment")
    parser.add_argument("--peers", nargs="*", choices=tuple(SCRIPTS), default=list(SCRIPTS))
    parser.add_argument("--draws", type=numbers, default=range(3))
    parser.add_argument("--sets", nargs="*", default=[target.name for target in SETS])
    parser.add_argument("--shots", nargs="*", type=int, default=SHOTS)
    chosen = parser.parse_args()
    chosen.record = chosen.record or chosen.work / "peers.jsonl"
    chosen.ours = chosen.ours or chosen.work / "record.jsonl"
    if chosen.command == "run" and FASTAI in chosen.peers and chosen.fastai is None:
        parser.error("--fastai PYTHON names the interpreter of an environment with fastai")
    return chosen


def _matches(chosen: argparse.Namespace) -> Iterator[Match]:
    for number in chosen.draws:
        for target in SETS:
            if target.name not in chosen.sets:
                continue
            images = open_set(target, chosen.kit, chosen.work)
            for shots in (k for k in target.shots if k in chosen.shots):
                drawn = draw(target, images.labels, shots, number)
                yield Match(target, images, shots, number, drawn)


def _is_done(match: Match, peer: str, record: Path) -> bool:
    place = (match.target.name, match.shots, match.number)
    return any(
        (line["set"], line["shots"], line["draw"]) == place and peer in line["hits"]
        for line in read_record(record)
    )


def _play(match: Match, peer: str, chosen: argparse.Namespace) -> None:
    """Train a peer and add a line to the record."""
    began = time.perf_counter()
    predicted = np.array(_answer(peer, _order(match, chosen), chosen))
    seconds = round(time.perf_counter() - began, 1)
    hits = predicted == match.images.labels[match.drawn.tested]
    line = {
        "set": match.target.name,
        "shots": match.shots,
        "draw": match.number,
        "items": match.drawn.tested.tolist(),
        "hits": {peer: "".join("1" if hit else "0" for hit in hits)},
        "seconds": seconds,
    }
    with chosen.record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    sys.stderr.write(f"{match.title}: {peer} {hits.mean():.3f}, {seconds:.0f} s\n")


def _order(match: Match, chosen: argparse.Namespace) -> dict[str, Any]:
    store = chosen.work.resolve() / "images" / match.target.name
    labelled, tested = match.drawn.labelled, match.drawn.tested
    epochs = min(max(PASSES // len(labelled), FEWEST_EPOCHS), MOST_EPOCHS)
    return {
        "images": [str(store / name) for name in match.images.subset(labelled).names],
        "labels": match.images.labels[labelled].tolist(),
        "tested": [str(store / name) for name in match.images.subset(tested).names],
        "network": _default_network(catalogue_of(chosen.kit.resolve())),
        "epochs": epochs,
        "seed": match.number,
    }


def _default_network(catalogue: Path) -> dict[str, Any]:
    first: dict[str, Any] = tomllib.loads(catalogue.read_text(encoding="utf-8"))["source"][0]
    return {**first, "weights": str(catalogue.parent / first["weights"])}


def _answer(peer: str, order: dict[str, Any], chosen: argparse.Namespace) -> list[int]:
    """Return the classes that a peer names, as numbers."""
    interpreter = chosen.fastai if peer == FASTAI else sys.executable
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        asked, answer = Path(folder) / "order.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(order), encoding="utf-8")
        script = Path(__file__).with_name(SCRIPTS[peer])
        command = [str(interpreter), "-P", str(script), str(asked), str(answer)]
        subprocess.run(command, cwd=folder, timeout=PATIENCE, check=True)
        found: list[int] = json.loads(answer.read_text(encoding="utf-8"))["predicted"]
    return found


if __name__ == "__main__":
    main()
