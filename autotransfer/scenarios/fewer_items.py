"""How many items a search learns from, where there is no time to read all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import Features
from autotransfer.scenarios.clock import POOL_SHARE
from autotransfer.scenarios.run import Run
from autotransfer.search.pool import read_parts

_KEPT = "items"  # how many of each part are read; kept, as trials are compared on the same ones


def items_read(
    parts: Sequence[ImageSet], reader: Callable[[], Features], run: Run, *, out_of_fold: bool
) -> list[int]:
    """Return how many items of each part are read, as a study has decided once and for all.

    Args:
        parts: The items to learn from first.
        reader: Returns the features of the best source.
        run: Its study keeps the numbers; its clock says what time is left.
        out_of_fold: Whether the verdict rests on the items that were learnt from.
    """
    kept: list[int] | None = run.study.recall(_KEPT)
    if kept is None:
        due = run.clock.deadline(POOL_SHARE)
        kept = read_parts(parts, reader(), due, run.options.seed)
        run.study.remember(_KEPT, kept)
        if kept != [len(part) for part in parts]:
            again = ", nor to make the shortlist again for each fold" if out_of_fold else ""
            run.study.note_forced(
                f"the search read {kept[0]} of {len(parts[0])} items: no time was left for "
                f"more{again}"
            )
    return kept
