"""Names of files that tell of a speaker or a recording: `alice_3.wav`, `0_alice_3.wav`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.listing import named

_PARTS = re.compile(r"[\s_.-]+")
_ALIKE = 0.9  # of the names have as many parts
FEWEST = 8  # sounds


def related_notes(sounds: ImageSet) -> tuple[str, ...]:
    """Return a note where names of files suggest that several sounds have one speaker.

    Args:
        sounds: Labelled, without groups.
    """
    labels = [sounds.class_names[k] for k in sounds.labels]
    found = speakers(sounds.names, labels)
    if not found:
        return ()
    return (
        f"the names of the files suggest {len(found)} speakers or recordings ({named(found)}), "
        "each in several folds: it trains and tests at once, and scores are too good for new "
        "ones. Name it in a manifest, one row a file, and give --group-column",
    )


def speakers(names: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the values of the part of the names that looks like a speaker, most frequent first.

    That is a part which each takes at least twice, of which a class has two or more on average,
    and which is no number at the end.

    Args:
        names: n paths.
        labels: Class of each.
    """
    parts = [_PARTS.split(PurePosixPath(name).stem.casefold()) for name in names]
    usual, count = Counter(map(len, parts)).most_common(1)[0] if parts else (0, 0)
    if len(names) < FEWEST or usual < 2 or count < _ALIKE * len(names):
        return ()
    rows = [(p, label) for p, label in zip(parts, labels, strict=True) if len(p) == usual]
    for place in range(usual):
        values = Counter(p[place] for p, _ in rows)
        if place == usual - 1 and all(value.isdigit() for value in values):
            continue
        of_class: defaultdict[str, set[str]] = defaultdict(set)
        for p, label in rows:
            of_class[label].add(p[place])
        several = np.mean([len(own) for own in of_class.values()]) >= 2
        if several and 2 <= len(values) <= len(rows) / 2 and min(values.values()) >= 2:
            return tuple(value for value, _ in values.most_common())
    return ()
