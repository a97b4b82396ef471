"""The audit of a fit: a table to fill in, and the tested verdict once it is filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from autotransfer.data import tables
from autotransfer.data.atomic_files import write_whole
from autotransfer.data.csv_cells import csv_text, plain
from autotransfer.data.image_set import ImageSet
from autotransfer.data.storage import open_place
from autotransfer.errors import InvalidOptionError
from autotransfer.models.open_set import NONE_OF_THESE
from autotransfer.results import Decision, Verdict
from autotransfer.scenarios.unlabelled.audit import Draw, Estimate, draw, estimate
from autotransfer.scenarios.unlabelled.audit_open_set import UNKNOWN
from autotransfer.scenarios.unlabelled.consensus import Choice

AUDIT_FILE = "audit.csv"
MARGIN = 0.01  # of accuracy: a gap within it is no difference
_NAMED = 5
_DRAWS = TypeAdapter(Draw)


def number_or_table(text: str | int) -> int | Path:
    """Return what --audit-labels means: a number of labels to ask for, or the filled table.

    Raises:
        InvalidOptionError: If it is neither.
    """
    if isinstance(text, int) or text.lstrip("-").isdigit():
        number = int(text)
        if number < 1:
            raise InvalidOptionError(f"audit_labels must be at least 1, got {number}")
        return number
    path = Path(text)
    if not path.is_file():
        raise InvalidOptionError(
            f"--audit-labels {text}: neither a number of labels nor a table that is there"
        )
    return path


def plan_audit(
    choice: Choice,
    held_out: ImageSet,
    num_labels: int,
    *,
    seed: int,
    rejected: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return the pair of predictors and the draw, as plain values to keep before anyone looks.

    Args:
        choice: What the consensus decided.
        held_out: Target images that nothing was learnt from.
        num_labels: How many labels there may be.
        seed: Of the draw.
        rejected: (n,) which of the images are rejected as none of the classes; None for none.

    Raises:
        InvalidOptionError: If there is no adapted candidate to audit.
    """
    if choice.finalist is None:
        raise InvalidOptionError(
            f"there is nothing to audit: source-only stands alone, because {choice.refused}"
        )
    answers = choice.finalist.answers, choice.baseline.answers
    drawn = draw(*answers, num_labels, seed=seed, rejected=rejected)
    return {
        "finalist": choice.finalist.number,
        "baseline": choice.baseline.number,
        "draw": asdict(drawn),
        "pictures": [held_out.digests[i] for i in drawn.positions],
    }


def write_table(path: Path, plan: Mapping[str, Any], held_out: ImageSet, *, seed: int) -> None:
    """Write the items to label, in random order and without any prediction beside them.

    What is a text itself stands beside its name.
    """
    positions = np.array(draw_of(plan).positions)
    order = np.random.default_rng(seed).permutation(len(positions))
    head: tuple[str, ...] = (_column(held_out), "label")
    if held_out.modality.is_text:
        head = (*head, str(held_out.modality))
    rows = [head]
    for i in positions[order].tolist():
        shown = (held_out.read(i),) if held_out.modality.is_text else ()
        rows.append((held_out.names[i], "", *shown))
    write_whole(path, csv_text(rows).encode(errors="surrogateescape"))


def read_table(
    path: Path, plan: Mapping[str, Any], held_out: ImageSet, class_names: Sequence[str]
) -> dict[int, int]:
    """Return the class of every drawn position; `UNKNOWN` for what is called "None of these".

    Raises:
        InvalidOptionError: If images or labels are missing, or there are others.
        InvalidTargetError: If it is no table.
    """
    table, column = tables.read_table(open_place(str(path))), _column(held_out)
    if table.empty or not {column, "label"} <= set(table):
        raise InvalidOptionError(f"{path}: the columns {column} and label are needed")
    cells = zip(table[column], table["label"], strict=True)
    given = {plain(str(item)): plain(str(label).strip()) for item, label in cells}
    asked, kind = {held_out.names[i]: i for i in draw_of(plan).positions}, held_out.modality.plural
    missing = [name for name in asked if not given.get(name)]
    if missing:
        raise InvalidOptionError(
            f"{path}: {len(missing)} of {len(asked)} {kind} have no label "
            f"({', '.join(missing[:_NAMED])}); a part of the draw would be biased: label all"
        )
    unknown = sorted({given[name] for name in asked} - {*class_names, NONE_OF_THESE})
    if unknown:
        raise InvalidOptionError(
            f"{path}: no class named {', '.join(unknown[:_NAMED])}; the classes are "
            f"{', '.join(class_names)}; other {kind} are {NONE_OF_THESE!r}"
        )
    places = {NONE_OF_THESE: UNKNOWN, **{name: k for k, name in enumerate(class_names)}}
    return {position: places[given[name]] for name, position in asked.items()}


def _column(held_out: ImageSet) -> str:
    """Return the column that names an item, as `predict` does."""
    return "image" if held_out.modality.can_be_shown else "item"


def audited(
    verdict: Verdict,
    plan: Mapping[str, Any],
    labels: dict[int, int],
    answers: tuple[NDArray[np.int64], NDArray[np.int64]],
    margin: float | None,
    *,
    kind: str = "images",
) -> Verdict:
    """Return the verdict that the labels support.

    Args:
        verdict: The one without labels.
        plan: What `plan_audit` returned.
        labels: Class of each drawn position.
        answers: (n,) classes by the finalist, and by source-only.
        margin: Gap that counts as no difference; None is `MARGIN`.
        kind: The word for several items.
    """
    drawn = draw_of(plan)
    found = estimate(drawn, labels, *answers)
    decision = _decision(found, MARGIN if margin is None else margin)
    transfer = decision is Decision.POSITIVE or (
        decision is Decision.INCONCLUSIVE and found.gap.value > 0
    )
    gap, those = found.gap, " that are not rejected" if drawn.num_rejected else ""
    return replace(
        verdict,
        decision=decision,
        basis="audit labels",
        sentence=(
            f"{decision}: the adapted predictor gains {100 * gap.value:+.1f} points over "
            f"source-only, 95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f} "
            f"({found.wins} wins and {found.losses} losses among {len(drawn.differing)} labelled "
            f"{kind}; the two differ on {100 * drawn.share:.0f} % of all{those})"
        ),
        returned="transfer" if transfer else "baseline",
        test=found.finalist,
        baselines=tuple(replace(b, test=found.baseline.value) for b in verdict.baselines),
        gap=gap,
        minimum_detectable=float(2.8 / 1.96 * (gap.high - gap.low) / 2),
        returned_test=(found.finalist if transfer else found.baseline).value,
    )


def _decision(found: Estimate, margin: float) -> Decision:
    gap = found.gap
    if gap.low > 0:
        return Decision.POSITIVE
    if gap.high < 0:
        return Decision.NEGATIVE
    return Decision.NEUTRAL if -margin <= gap.low <= gap.high <= margin else Decision.INCONCLUSIVE


def draw_of(plan: Mapping[str, Any]) -> Draw:
    """Return the draw of a plan; one of version 0.1 has no rejected images."""
    return _DRAWS.validate_python(plan["draw"])
