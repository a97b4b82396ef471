"""Tokens of a varied and of a masked text, beside draws that were looked up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.images.views import View
from autotransfer.data.texts.preprocessing import TextPreprocessing
from autotransfer.models.texts.tokens import Tokens, mask_token, tokenizer_file
from tests.tiny_texts import WORDS, write_tokenizer

TEXT = "the bank was not my one song"  # nine tokens with the marks around it


def _row(tokens: Tokens, view: View, text: str = TEXT) -> list[int]:
    return [int(i) for i in tokens([text], ["digest"], view)[0, 0]]


# of nine numbers drawn for the digest and the view those below a tenth: the 8th; none; the 8th and
# the 9th, which is the last and stays
@pytest.mark.parametrize(("number", "gone"), [(0, [7]), (1, []), (3, [7])])
def test_word_dropout_leaves_out_the_tokens_that_are_drawn_and_keeps_both_ends(
    number: int, gone: list[int]
) -> None:
    tokens = Tokens(TextPreprocessing(None, 50))
    plain = _row(tokens, View(), "a b c d e")  # five words and four pairs
    assert len(plain) == 9
    kept = [token for i, token in enumerate(plain) if i not in gone]
    assert _row(tokens, View("words", number), "a b c d e") == kept
    assert _row(tokens, View("words", number), "a") == _row(tokens, View(), "a")  # too short


def test_three_times_as_many_tokens_are_left_out_of_a_text_of_few_words() -> None:
    tokens = Tokens(TextPreprocessing(None, 400))
    text = " ".join(f"w{i}" for i in range(150))
    plain = len(_row(tokens, View(), text))
    shares = [
        np.mean([1 - len(_row(tokens, View(kind, i), text)) / plain for i in range(20)])
        for kind in ("words", "few words")
    ]
    np.testing.assert_allclose(shares, [0.1, 0.3], atol=0.02)


# below 15 %: the last one alone, so that the smallest inner one is taken; none, likewise; the 4th,
# the 6th and the last
@pytest.mark.parametrize(("number", "taken"), [(0, [1]), (1, [5]), (2, [3, 5])])
def test_masked_tokens_are_those_that_are_drawn_and_one_at_least(
    number: int, taken: list[int], tmp_path: Path
) -> None:
    write_tokenizer(tmp_path, masks=True)
    preprocessing = TextPreprocessing(tokenizer_file(tmp_path / "tokenizer.json"))
    assert mask_token(preprocessing) == len(WORDS)
    tokens = Tokens(preprocessing)
    plain = _row(tokens, View())
    wanted = [len(WORDS) if i in taken else token for i, token in enumerate(plain)]
    assert _row(tokens, View("mask", number)) == wanted


def test_without_a_token_for_it_nothing_is_masked(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    preprocessing = TextPreprocessing(tokenizer_file(tmp_path / "tokenizer.json"))
    assert mask_token(preprocessing) is None
    assert mask_token(TextPreprocessing(None)) is None
    with pytest.raises(ValueError, match="no token for what is masked"):
        _row(Tokens(preprocessing), View("mask"))
