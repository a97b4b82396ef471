from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from autotransfer.data.image_set import ImageSet
from autotransfer.data.texts.reading import TextReader, texts_of
from autotransfer.errors import InvalidTargetError
from autotransfer.models.features import NO_FEATURES
from autotransfer.models.predictors.baselines import BASELINES, TFIDF, restore_baseline
from autotransfer.models.predictors.words import fit_words
from tests.tiny_texts import text_set


def test_words_tell_topics_that_have_words_of_their_own() -> None:
    predictor = fit_words(text_set(8), 3, seed=0)
    unseen = text_set(20, seed=1)
    found = predictor.predict(unseen, NO_FEATURES)
    assert (found.argmax(1) == unseen.labels).mean() > 0.9
    assert np.allclose(found.sum(1), 1)


def test_the_rows_are_those_of_a_vectorizer_that_was_fitted() -> None:
    train = text_set(8)
    predictor = fit_words(train, 3, seed=0)
    texts = texts_of(train)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    wanted = letters.fit_transform(texts)
    found = predictor._rows(texts)
    assert found.shape[1] == len(predictor.terms["words"]) + wanted.shape[1]
    assert np.allclose(found[:, -wanted.shape[1] :].toarray(), wanted.toarray())


def test_a_saved_one_answers_the_same_in_any_script() -> None:
    train = text_set(4)
    reader = train.reader
    reader._texts = tuple(f"{text} 银行卡 Überweisung" for text in reader._texts)  # type: ignore[attr-defined]
    predictor = fit_words(train, 3, seed=0)
    restored = restore_baseline(TFIDF, *predictor.state(), None)
    unseen = text_set(5, seed=1)
    assert np.allclose(
        restored.predict(unseen, NO_FEATURES), predictor.predict(unseen, NO_FEATURES), atol=1e-12
    )
    tensors, info = predictor.state()
    with pytest.raises(ValueError, match="do not fit together"):
        restore_baseline(TFIDF, {**tensors, "idf": tensors["idf"][1:]}, info, None)


@pytest.mark.parametrize("classes", [[0, 1], [0, 2]])
def test_a_class_without_a_text_is_all_but_impossible(classes: list[int]) -> None:
    whole = text_set(6)
    some = whole.subset(np.flatnonzero(np.isin(whole.labels, classes)))
    found = fit_words(some, 3, seed=0).predict(some, NO_FEATURES)
    assert found[:, ({0, 1, 2} - set(classes)).pop()].max() < 1e-6
    assert (found.argmax(1) == some.labels).all()


def test_one_class_is_refused_and_a_deadline_ends_the_grid() -> None:
    whole = text_set(4)
    with pytest.raises(InvalidTargetError, match="at least 2 classes"):
        fit_words(whole.subset([0, 1]), 3, seed=0)
    late = fit_words(whole, 3, seed=0, deadline=time.monotonic() - 1)
    assert late.weight.shape[0] == 3
    assert replace(late).terms == late.terms


def test_the_baselines_of_texts_read_no_pixels() -> None:
    assert BASELINES["text"] == ("majority", "tf-idf", "untrained-features", "small-network")  # type: ignore[index]


def test_texts_without_any_word_are_told_by_their_runs_of_characters() -> None:
    texts = ["😀😀 !!", "😀 ?", "😢😢 !!", "😢 ?"] * 3
    train = ImageSet(TextReader(texts), np.arange(12), [0, 0, 1, 1] * 3, ("glad", "sad"))
    predictor = fit_words(train, 2, seed=0)
    assert list(predictor.terms) == ["letters"]
    restored = restore_baseline(TFIDF, *predictor.state(), None)
    assert (restored.predict(train, NO_FEATURES).argmax(1) == train.labels).all()
