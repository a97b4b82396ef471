"""The tables of the scoreboard, from its record: means, paired intervals, and what has to hold.

Intervals are from a bootstrap of what may vary: draws of labelled images, and tested images,
which keep their weight wherever a set's draws share them. Three draws say little of how much draws
vary, so these intervals are narrow rather than wide. The *better* rival of a cell has the higher
mean over its draws; that of a draw is a maximum of two noisy figures, and harder to beat.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.probe_rules import DEFAULT_PROBE, PLAIN_MEAN

OURS = "ours"
RIVALS = (DEFAULT_PROBE, PLAIN_MEAN)
BETTER = "the better one"
REPLICATES = 4000
LEAST_OF_A_SET, LEAST_OF_ALL, LEAST_TO_MEAN = -0.5, 0.0, 1.0  # points
FEWEST = (("flowers5", 5), ("eurosat", 5))  # cells that may be below neither rival

Cell = tuple[str, int]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """One draw of one cell.

    Args:
        cell: Name of the set, and labelled images a class.
        draw: Number of the draw.
        items: (m,) places of the tested images in their set.
        hits: (m,) 100 where a method is right, 0 where it is wrong, by method.
        labelled: Number of labelled images.
        ours: What was returned, as it was recorded.
    """

    cell: Cell
    draw: int
    items: NDArray[np.int64]
    hits: Mapping[str, Floats]
    labelled: int
    ours: Mapping[str, Any]

    def accuracy(self, method: str) -> float:
        """Return the accuracy in per cent."""
        return float(self.hits[method].mean())

    def better(self) -> str:
        """Return the rival with the higher accuracy on this draw."""
        return max(RIVALS, key=self.accuracy)


def read_record(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a record; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def played_in(lines: Sequence[Mapping[str, Any]]) -> list[Played]:
    """Return the draws of a record."""
    return [
        Played(
            (line["set"], line["shots"]),
            line["draw"],
            np.array(line["items"]),
            {name: 100.0 * np.array([*hits], dtype=float) for name, hits in line["hits"].items()},
            line["labelled"],
            line["ours"],
        )
        for line in lines
    ]


def tables(played: Sequence[Played]) -> Iterator[str]:
    """Yield the lines of both tables and of what has to hold."""
    cells = {cell: [p for p in played if p.cell == cell] for cell in _in_order(played)}
    better = {cell: _better(rows) for cell, rows in cells.items()}
    yield from _cell_table(cells)
    yield ""
    found = {name: _against(cells, _rival(name, better)) for name in (*RIVALS, BETTER)}
    yield from _set_table(cells, found)
    yield ""
    yield from _goals(cells, found)


def joined(
    played: Sequence[Played], others: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Played]:
    """Return the draws that all records have, with the hits of the other records' methods.

    Args:
        played: Those of this record.
        others: The lines of further records by the name that the method of each takes; a
            method called "ours" there is meant, else the one with that name.
    """
    found = []
    for row in played:
        hits = dict(row.hits)
        for name, lines in others.items():
            for line in lines:
                if (line["set"], line["shots"]) == row.cell and line["draw"] == row.draw:
                    if line["items"] != row.items.tolist():
                        message = f"{name} was tested on other images of {row.cell}"
                        raise ValueError(message)
                    said = line["hits"].get(name, line["hits"].get(OURS))
                    hits[name] = 100.0 * np.array([*said], dtype=float)
        if hits.keys() >= others.keys():
            found.append(replace(row, hits=hits))
    return found


def comparison(played: Sequence[Played], rivals: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: ours beside other methods, with paired intervals.

    Args:
        played: Draws that have the hits of all rivals.
        rivals: Names of the methods.
    """
    cells = {cell: [p for p in played if p.cell == cell] for cell in _in_order(played)}
    found = {name: _against(cells, lambda _, name=name: name) for name in rivals}  # type: ignore[misc]
    heads = ["set, a class", "draws", OURS, *rivals, *(f"ours - {rival}" for rival in rivals)]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for cell, rows in cells.items():
        accuracies = [mean(row.accuracy(method) for row in rows) for method in (OURS, *rivals)]
        less = [f"{found[rival].values[cell]:+.1f}" for rival in rivals]
        shown = [f"{accuracy:.1f}" for accuracy in accuracies]
        yield "| " + " | ".join([f"{cell[0]}, {cell[1]}", str(len(rows)), *shown, *less]) + " |"
    yield ""
    yield from _set_table(cells, found)


def _in_order(played: Sequence[Played]) -> list[Cell]:
    return sorted({p.cell for p in played}, key=lambda cell: (cell[1], cell[0]))


def _better(rows: Sequence[Played]) -> str:
    return max(RIVALS, key=lambda rival: mean(row.accuracy(rival) for row in rows))


def _rival(name: str, better: Mapping[Cell, str]) -> Callable[[Played], str]:
    return lambda row: better[row.cell] if name == BETTER else name


def _cell_table(cells: Mapping[Cell, Sequence[Played]]) -> Iterator[str]:
    heads = ["set, a class", "labelled", OURS, *RIVALS, *(f"ours - {rival}" for rival in RIVALS)]
    heads += ["ours - better of each draw", "seconds", "returned"]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    figures = []
    for (name, shots), rows in cells.items():
        own, *others = (mean(row.accuracy(method) for row in rows) for method in (OURS, *RIVALS))
        harder = mean(row.accuracy(OURS) - row.accuracy(row.better()) for row in rows)
        figures.append([own, *others, *(own - other for other in others), harder])
        seconds = mean(row.ours["seconds"] for row in rows)
        told = [f"{name}, {shots}", str(rows[0].labelled), *_shown(figures[-1])]
        yield "| " + " | ".join([*told, f"{seconds:.0f}", _returned(rows)]) + " |"
    means = _shown([mean(column) for column in zip(*figures, strict=True)])
    yield "| " + " | ".join(["**mean**", "", *means, "", ""]) + " |"


def _shown(figures: Sequence[float]) -> list[str]:
    return [
        f"{value:.1f}" if i <= len(RIVALS) else f"{value:+.1f}" for i, value in enumerate(figures)
    ]


def _returned(rows: Sequence[Played]) -> str:
    told = Counter(row.ours.get("strategy", "no answer") for row in rows)
    return ", ".join(f"{strategy} {n}" for strategy, n in told.most_common())


@dataclass(frozen=True)
class Difference:
    """Ours less a rival, in points, with replicates of the bootstrap, by cell.

    Args:
        values: The difference.
        replicates: (B,) of it.
    """

    values: Mapping[Cell, float]
    replicates: Mapping[Cell, Floats]

    def over(self, cells: Sequence[Cell]) -> tuple[float, float, float]:
        """Return the mean over cells, and its 95 % interval."""
        found = np.mean([self.replicates[cell] for cell in cells], axis=0)
        low, high = np.quantile(found, (0.025, 0.975))
        return mean(self.values[cell] for cell in cells), float(low), float(high)


def _against(cells: Mapping[Cell, Sequence[Played]], rival: Callable[[Played], str]) -> Difference:
    values = {
        cell: mean(row.accuracy(OURS) - row.accuracy(rival(row)) for row in rows)
        for cell, rows in cells.items()
    }
    replicates: dict[Cell, Floats] = {}
    for name in _sets(cells):
        replicates |= _resampled({c: rows for c, rows in cells.items() if c[0] == name}, rival)
    return Difference(values, replicates)


def _resampled(
    cells: Mapping[Cell, Sequence[Played]], rival: Callable[[Played], str]
) -> dict[Cell, Floats]:
    """Return (B,) replicates of the difference of each cell of one set."""
    generator = np.random.default_rng(0)
    every = [row for rows in cells.values() for row in rows]
    items, draws = np.unique(np.concatenate([row.items for row in every])), _draws(every)
    weights = generator.multinomial(len(items), np.full(len(items), 1 / len(items)), REPLICATES)
    times = generator.multinomial(len(draws), np.full(len(draws), 1 / len(draws)), REPLICATES)
    found = {}
    for cell, rows in cells.items():
        total, count = np.zeros(REPLICATES), np.zeros(REPLICATES)
        for row in rows:
            own = weights[:, np.searchsorted(items, row.items)]  # (B, m)
            gains = own @ (row.hits[OURS] - row.hits[rival(row)]) / own.sum(axis=1)
            often = times[:, draws.index(row.draw)]
            total, count = total + often * gains, count + often
        found[cell] = total / np.maximum(count, 1)
    return found


def _draws(rows: Sequence[Played]) -> list[int]:
    return sorted({row.draw for row in rows})


def _sets(cells: Mapping[Cell, Sequence[Played]]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in cells))


def _set_table(
    cells: Mapping[Cell, Sequence[Played]], found: Mapping[str, Difference]
) -> Iterator[str]:
    yield "| ours less, 95 % | " + " | ".join(found) + " |"
    yield "|" + "---|" * (len(found) + 1)
    groups = {name: [c for c in cells if c[0] == name] for name in _sets(cells)}
    for size in sorted({shots for _, shots in cells}):
        groups[f"all, {size} a class"] = [c for c in cells if c[1] == size]
    groups["**all**"] = list(cells)
    for name, members in groups.items():
        shown = [_interval(*difference.over(members)) for difference in found.values()]
        yield f"| {name} | " + " | ".join(shown) + " |"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _goals(
    cells: Mapping[Cell, Sequence[Played]], found: Mapping[str, Difference]
) -> Iterator[str]:
    """Yield what has to hold, each with its figures."""
    every = list(cells)
    highest = {
        name: found[BETTER].over([c for c in every if c[0] == name])[2] for name in _sets(cells)
    }
    worst = min(highest, key=lambda name: highest[name])
    yield _goal(
        f"no set's interval against the better rival wholly below {LEAST_OF_A_SET}",
        f"the lowest upper limit is {highest[worst]:+.2f}, of {worst}",
        holds=highest[worst] >= LEAST_OF_A_SET,
    )
    for name, least in ((BETTER, LEAST_OF_ALL), (PLAIN_MEAN, LEAST_TO_MEAN)):
        value, low, high = found[name].over(every)
        yield _goal(
            f"mean over all cells against {name} at least {least:+.1f}",
            f"{value:+.2f} ({low:+.2f} to {high:+.2f})",
            holds=value >= least,
        )
    for cell in FEWEST:
        if cell in cells:
            lead = min(found[rival].values[cell] for rival in RIVALS)
            title = f"{cell[0]} at {cell[1]} a class not below either rival"
            yield _goal(title, f"{lead:+.2f} to the better one", holds=lead >= 0)
    sizes = Counter(len(rows) for rows in cells.values())
    yield f"{len(cells)} cells; draws of a cell: {', '.join(map(str, sorted(sizes)))}"


def _goal(title: str, figures: str, *, holds: bool) -> str:
    return f"{'PASS' if holds else 'FAIL'}: {title}: {figures}"
