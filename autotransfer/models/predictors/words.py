"""The classical baseline of texts: counted words and runs of letters with logistic regression."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.texts.reading import texts_of
from autotransfer.errors import InvalidTargetError
from autotransfer.models.metrics import METRICS
from autotransfer.models.predictors.base import FeatureReader, Predictor, PredictorState
from autotransfer.models.predictors.descriptions import stratified_folds
from autotransfer.results import Json

STRENGTHS = (10.0, 100.0, 1.0)  # C, the likeliest first: a deadline may end the grid
MOST_TERMS = 50_000  # of words and of runs of letters, the most frequent ones
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "letters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


@dataclass(frozen=True)
class WordPredictor(Predictor):
    """A linear classifier on TF-IDF of words and runs of letters.

    Args:
        terms: The terms of each kind in the order of their columns.
        idf: (d,) weights of all terms, those of words first.
        weight: (K, d) of the classifier.
        bias: (K,) of the classifier.
    """

    terms: Mapping[str, tuple[str, ...]]
    idf: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        scores = self._rows(texts_of(images)) @ self.weight.T + self.bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return found

    @override
    def state(self) -> PredictorState:
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(getattr(self, name)))
            for name in ("idf", "weight", "bias")
        }
        for kind, terms in self.terms.items():  # no term has a line break in it
            tensors[kind] = torch.frombuffer(
                bytearray("\n".join(terms).encode()), dtype=torch.uint8
            )
        return tensors, {}

    def _rows(self, texts: Sequence[str]) -> Any:
        return _side_by_side([v.transform(_plain(texts)) for v in self._vectorizers])

    @cached_property
    def _vectorizers(self) -> list[TfidfVectorizer]:
        found, start = [], 0
        for kind, terms in self.terms.items():
            vectorizer = _vectorizer(kind, vocabulary=list(terms))
            vectorizer.idf_ = self.idf[start : start + len(terms)]
            start += len(terms)
            found.append(vectorizer)
        return found


def restore_words(tensors: Mapping[str, Tensor], _info: Mapping[str, Json]) -> WordPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    terms = {
        kind: tuple(tensors[kind].numpy().tobytes().decode().split("\n"))
        for kind in _KINDS
        if kind in tensors
    }
    idf, weight, bias = (tensors[name].double().numpy() for name in ("idf", "weight", "bias"))
    if weight.shape != (len(bias), len(idf)) or sum(map(len, terms.values())) != len(idf):
        raise ValueError("its terms and weights do not fit together")
    return WordPredictor(terms, idf, weight, bias)


def fit_words(
    train: ImageSet, num_classes: int, *, seed: int, deadline: float | None = None
) -> WordPredictor:
    """Return logistic regression on TF-IDF at its best strength, by cross-validated log loss.

    Words and pairs of words, and runs of two to five letters within words, count by the
    logarithm of how often they occur. Which terms there are, and how rare, is seen in all
    training texts; labels of a fold are not.

    Args:
        train: The labelled texts to learn from.
        num_classes: K; classes without a text get a probability near zero.
        seed: Seeds the folds.
        deadline: `time.monotonic()` after which no further strength is tried.

    Raises:
        InvalidTargetError: If the texts are of fewer than two classes.

    References:
        Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988.
    """
    labels = train.labels
    if len(np.unique(labels)) < 2:
        raise InvalidTargetError(
            f"the baseline of words needs training texts of at least 2 classes, got "
            f"{len(np.unique(labels))} in {len(labels)} text(s)"
        )
    vectorizers, rows = _counted(_plain(texts_of(train)))
    folds = stratified_folds(labels, seed)
    best, best_value = STRENGTHS[0], -np.inf
    for strength in STRENGTHS:
        if not folds or (deadline is not None and time.monotonic() >= deadline):
            break
        said = np.empty((len(labels), num_classes))
        for out in folds:
            weight, bias = _fitted(rows[~out], labels[~out], num_classes, strength)
            scores = rows[out] @ weight.T + bias
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            said[out] = shares / shares.sum(axis=1, keepdims=True)
        value = METRICS["log_loss"].score(labels, said)
        if value > best_value:
            best, best_value = strength, value
    weight, bias = _fitted(rows, labels, num_classes, best)
    terms = {
        kind: tuple(map(str, vectorizer.get_feature_names_out()))
        for kind, vectorizer in vectorizers.items()
    }
    idf = np.concatenate([vectorizer.idf_ for vectorizer in vectorizers.values()])
    return WordPredictor(terms, idf, weight, bias)


def word_counts(texts: ImageSet, most: int) -> NDArray[np.float64]:
    """Return the (n, d) TF-IDF of the most frequent words and runs of letters of texts.

    Args:
        texts: Labels are not read.
        most: Of each kind at most so many.
    """
    _, rows = _counted(_plain(texts_of(texts)), most)
    found: NDArray[np.float64] = rows.toarray()
    return found


def _counted(plain: Sequence[str], most: int = MOST_TERMS) -> tuple[dict[str, Any], Any]:
    """Return what counts terms of each kind that there are, and the (n, d) counts of texts."""
    found, blocks = {}, []
    for kind in _KINDS:
        vectorizer = _vectorizer(kind).set_params(max_features=most)
        try:
            blocks.append(vectorizer.fit_transform(plain))
        except ValueError:  # emoji alone have no words
            continue
        found[kind] = vectorizer
    return found, _side_by_side(blocks)


def _plain(texts: Sequence[str]) -> list[str]:
    """Return texts of one line, each with a letter: one of punctuation alone has no terms."""
    return [" ".join(text.split()) for text in texts]


def _vectorizer(kind: str, vocabulary: list[str] | None = None) -> TfidfVectorizer:
    most = MOST_TERMS if vocabulary is None else None
    return TfidfVectorizer(
        **_KINDS[kind], sublinear_tf=True, max_features=most, vocabulary=vocabulary
    )


def _side_by_side(blocks: Sequence[Any]) -> Any:
    from scipy.sparse import hstack

    return hstack(blocks).tocsr()


def _fitted(
    rows: Any, labels: NDArray[np.int64], num_classes: int, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (K, d) weights and (K,) offsets; a class without a text is all but impossible."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # by then no answer changes
        model = LogisticRegression(C=strength, max_iter=300).fit(rows, labels)
    present = model.classes_
    weight, bias = np.zeros((num_classes, rows.shape[1])), np.full(num_classes, -30.0)
    if len(present) == 2:  # one row: for the second class against the first
        weight[present], bias[present] = [-0.5 * model.coef_[0], 0.5 * model.coef_[0]], 0.0
        bias[present] = [-0.5 * model.intercept_[0], 0.5 * model.intercept_[0]]
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return weight, bias
