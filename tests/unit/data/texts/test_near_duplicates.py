from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.near_duplicates import near_duplicates
from autotransfer.data.texts.near_duplicates import LEAST_OVERLAP, normalised, overlap
from autotransfer.data.texts.reading import TextReader


def _set(*texts: str) -> ImageSet:
    return ImageSet(TextReader(texts), np.arange(len(texts)))


def test_case_accents_punctuation_and_spaces_do_not_make_another_text() -> None:
    assert normalised("  Où est  la CARTE ?!") == "ou est la carte"
    assert normalised("?!") == "?!"
    pairs = near_duplicates(
        _set("Is my card here?", "other", "is my  card here", "IS MY CARD HERE!")
    )
    assert pairs.tolist() == [[0, 2], [0, 3]]


def test_positions_go_on_from_one_set_to_the_next() -> None:
    assert near_duplicates(_set("a b", "c d"), _set("e f", "C D.")).tolist() == [[1, 3]]


def test_a_long_text_with_one_other_word_is_the_same_and_half_of_it_is_not() -> None:
    words = [f"word{i}" for i in range(120)]
    changed = [*words[:60], "another", *words[61:]]
    half = [*words[:60], *(f"else{i}" for i in range(60))]
    found = near_duplicates(_set(*(" ".join(w) for w in (words, changed, half))))
    assert found.tolist() == [[0, 1]]


def test_short_sentences_of_one_class_are_not_the_same() -> None:
    texts = _set("can i top up by card", "can i top up by cash", "why was my top up declined")
    assert not len(near_duplicates(texts))


def test_the_overlap_is_that_of_jaccard() -> None:
    first, second = np.arange(10), np.arange(1, 11)
    assert overlap(first, second) == pytest.approx(9 / 11)
    assert overlap(first, second) < LEAST_OVERLAP
