"""Whether a source may have seen the very items that test it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autotransfer.models.catalogue.class_names import columns_of
from autotransfer.models.source import Source

_NAMED = 5


def overlap_remark(source: Source, class_names: Sequence[str], target: str) -> str:
    """Return one sentence where a source may know the target's items; else nothing.

    It may where the target is named among what it was pretrained on, if that is known, or where
    its head has classes of the same names.
    """
    caution = "it may have seen these very items, and do less well on new ones"
    place, trained = _plain(target), _plain(source.pretrained_on)
    if len(place) > 3 and place in trained and not trained.startswith("unknown"):
        return f"{source.name} was pretrained on {source.pretrained_on}: {caution}"
    if source.class_names is None:
        return ""
    columns = columns_of(class_names, source.class_names)
    known = [name for name, column in zip(class_names, columns, strict=True) if column >= 0]
    if not known:
        return ""
    named = ", ".join(known[:_NAMED]) + (" ..." if len(known) > _NAMED else "")
    return (
        f"{len(known)} of {len(class_names)} classes ({named}) are among those that {source.name} "
        f"was pretrained on ({source.pretrained_on}): {caution}"
    )


def overlap_of_others(sources: Sequence[Source], class_names: Sequence[str], target: str) -> str:
    """Return one sentence on further sources of an answer that may know the target's items.

    Args:
        sources: Those that the answer reads beside the first one.
        class_names: The K classes.
        target: Name of the target.
    """
    found = [source.name for source in sources if overlap_remark(source, class_names, target)]
    names = ", ".join(dict.fromkeys(found))
    return f"the answer also reads {names}, which may have seen these very items" if found else ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())
