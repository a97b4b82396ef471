"""Two texts put together as one."""

from __future__ import annotations

MOST_WORDS = 100  # of the first text: a source reads the beginning of a long one alone


def blended_text(first: str, second: str, share: float) -> str:
    """Return a text and the beginning of another, so much that the first one has its share.

    Nothing is between two texts as pixels are between two images; what both say side by side comes
    nearest to it. Of a second text that is short, all words are there.

    Args:
        first: The larger part; of a long one, the beginning.
        second: The other.
        share: Of the words that are of the first, between a half and one.
    """
    words = first.split()[:MOST_WORDS]
    others = second.split()[: max(round(len(words) * (1 - share) / share), 1)]
    return " ".join([*words, *others])
