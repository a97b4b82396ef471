"""The frozen features of the chosen sources, for a pipeline of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from autotransfer.selection.taps import taps_of

if TYPE_CHECKING:
    from autotransfer.selection.predictions import Predictions


class SourceFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Images in, the frozen features of the chosen sources out; nothing is learnt.

    Args:
        selection: What a fit returned.
    """

    def __init__(self, selection: Predictions) -> None:
        self.selection = selection

    def fit(self, X: Any = None, y: Any = None) -> SourceFeatures:  # noqa: ARG002 - scikit-learn's
        """Return itself; the sources and stages were chosen by the fit.

        Args:
            X: Not read.
            y: Not read.
        """
        self.taps_ = taps_of(self.selection.kept)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the (n, d) features of images in any form that `autotransfer.fit` takes."""
        check_is_fitted(self, "taps_")
        blocks = self.selection.feature_blocks(X, self.taps_)
        self._widths = [block.shape[1] for block in blocks]
        return np.concatenate(blocks, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the (d,) names, `source-stage-number`; known once something was transformed.

        Args:
            input_features: Not read; images have no columns.
        """
        check_is_fitted(self, "_widths")
        names = [
            f"{tap.source.name}-{'last' if tap.stage is None else tap.stage}-{i}"
            for tap, width in zip(self.taps_, self._widths, strict=True)
            for i in range(width)
        ]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        tags.input_tags.two_d_array = False
        return tags
