"""The classical baseline of texts: counted words and runs of letters with logistic regression."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import hstack
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.texts.reading import texts_of
from autotransfer.errors import InvalidTargetError
from autotransfer.models.heads.linear import LinearHead
from autotransfer.models.heads.logistic import full_head, solve_logistic
from autotransfer.models.predictors.base import FeatureReader, Predictor, PredictorState
from autotransfer.models.predictors.descriptions import stratified_folds, validated
from autotransfer.results import Json

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

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
        return LinearHead(self.weight, self.bias).probabilities(self._rows(texts_of(images)))

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
        value = validated(rows, labels, num_classes, folds, partial(_fit, strength=strength))
        if value > best_value:
            best, best_value = strength, value
    head = _fit(rows, labels, num_classes, best)
    terms = {
        kind: tuple(map(str, vectorizer.get_feature_names_out()))
        for kind, vectorizer in vectorizers.items()
    }
    idf = np.concatenate([vectorizer.idf_ for vectorizer in vectorizers.values()])
    return WordPredictor(terms, idf, head.weight, head.bias)


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
    from sklearn.feature_extraction.text import TfidfVectorizer

    most = MOST_TERMS if vocabulary is None else None
    return TfidfVectorizer(
        **_KINDS[kind], sublinear_tf=True, max_features=most, vocabulary=vocabulary
    )


def _side_by_side(blocks: Sequence[Any]) -> Any:
    return hstack(blocks).tocsr()


def _fit(rows: Any, labels: NDArray[np.int64], num_classes: int, strength: float) -> LinearHead:
    return full_head(solve_logistic(rows, labels, strength), num_classes)
