"""Texts that say the same: but for case, accents, punctuation and spaces, or nearly.

References:
    Broder, On the Resemblance and Containment of Documents, SEQUENCES 1997 (shingles, and the
    smallest hashes of permutations that find candidates).
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.near_duplicates import equal_pairs
from autotransfer.data.texts.reading import texts_of

LEAST_OVERLAP = 0.9  # of the shingles of both: one word in a hundred may differ
SHINGLE = 5  # characters
_COMPARED = 2000  # characters of a text that shingles are made of
_BANDS, _ROWS = 10, 6  # with 0.9 in common 99.95 % of pairs are found, with 0.5 15 %
_PRIME = (1 << 31) - 1
_LARGEST_BUCKET = 2000  # texts that share a band; more say that the band tells nothing
_SPACES = re.compile(r"[\W_]+")


def near_duplicates(*sets: ImageSet) -> NDArray[np.int64]:
    """Return the (p, 2) positions of texts that say the same, the smaller one first.

    Args:
        *sets: Texts; labels are not read. Positions go on from one set to the next.
    """
    plain = [normalised(text) for texts in sets for text in texts_of(texts)]
    pairs = {*equal_pairs(plain), *_alike(plain)}
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def normalised(text: str) -> str:
    """Return a text without case, accents and punctuation, one space between words.

    A text of nothing but punctuation stays as it is.
    """
    letters = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(c for c in letters if not unicodedata.combining(c))
    return _SPACES.sub(" ", kept).strip() or text.strip()


def _alike(plain: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that share nearly all shingles; of equal texts the first alone."""
    found = {text: i for i, text in reversed(list(enumerate(plain)))}
    places = sorted(found.values())
    shingles = [_shingles(plain[i]) for i in places]
    for first, second in _candidates(shingles):
        if overlap(shingles[first], shingles[second]) >= LEAST_OVERLAP:
            yield places[first], places[second]


def _shingles(text: str) -> NDArray[np.int64]:
    """Return the hashes of the runs of five characters of the beginning of a text."""
    content = text[:_COMPARED]
    runs = {content[i : i + SHINGLE] for i in range(max(len(content) - SHINGLE + 1, 1))}
    return np.array(sorted({zlib.crc32(run.encode("utf-8", "replace")) for run in runs}), np.int64)


def overlap(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the size of the intersection of two sets over that of their union."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


def _candidates(shingles: Sequence[NDArray[np.int64]]) -> set[tuple[int, int]]:
    """Return the pairs whose smallest hashes agree in a whole band."""
    rng = np.random.default_rng(0)
    count = _BANDS * _ROWS
    factors, shifts = rng.integers(1, _PRIME, count), rng.integers(0, _PRIME, count)
    signatures = np.empty((len(shingles), count), dtype=np.int64)
    for i, hashes in enumerate(shingles):
        spread = ((hashes % _PRIME)[:, None] * factors + shifts) % _PRIME
        signatures[i] = spread.min(axis=0)
    pairs: set[tuple[int, int]] = set()
    for band in np.split(signatures, _BANDS, axis=1):
        buckets: defaultdict[bytes, list[int]] = defaultdict(list)
        for i, row in enumerate(band):
            buckets[row.tobytes()].append(i)
        for members in buckets.values():
            if len(members) <= _LARGEST_BUCKET:
                pairs |= {(a, b) for k, a in enumerate(members) for b in members[k + 1 :]}
    return pairs
