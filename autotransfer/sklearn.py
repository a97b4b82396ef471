"""`AutoTransferClassifier`: a fit behind scikit-learn's interface."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from autotransfer.data.datasets import is_dataset, read_dataset
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidTargetError
from autotransfer.orchestrator import fit
from autotransfer.scenarios.options import Options
from autotransfer.tracking.places import OFF

LARGEST_SEED = 2**31 - 1

# scikit-learn's own checks that cannot hold for images, each with the reason; none is known,
# once the rows of numbers that they make are drawn as images
EXPECTED_FAILED_CHECKS: Mapping[str, str] = {}


# Options of a fit that are none of the classifier, each with the reason; all others are.
NOT_OF_A_CLASSIFIER: Mapping[str, str] = {
    "scenario": "a classifier learns from labels",
    "attributes": "a classifier learns from labels",
    "descriptions": "a classifier learns from labels",
    "through": "it is for a target without labels",
    "audit_labels": "it is for a target without labels",
    "classes": "give source_data of the classes that are wanted",
    "modality": "X and y are images; give texts to autotransfer.fit",
    "domain_column": "X is no manifest; give a table with such a column to autotransfer.fit",
    "domains": "divide the domains in the cross-validation",
    "group_column": "X is no manifest; divide the groups in the cross-validation",
    "on_bad_image": "there has to be one answer for each row of X",
    "budget": "trials and seconds say it",
    "seed": "scikit-learn calls it random_state",
    "began": "it is for the command line",
    "report": "one is written where a workspace is given",
    "say": "verbose prints what is told",
    "labels": "fit gets X and y",
    "new_classes": "fit gets X and y",
    "on_part": "verbose prints what is told",
    "on_outcome": "verbose prints what is told",
}
HANDED_ON = tuple(
    option.name
    for option in fields(Options)
    if option.name not in {*NOT_OF_A_CLASSIFIER, "workspace"}
)

# Probes of frozen networks: one chosen, and what anybody would try first.
FROZEN = ("feature-extraction", "mixture-of-probes", "mean-of-probes", "default-probe")


class AutoTransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The fit of this package as a classifier of images.

    It has what a fold of a cross-validation needs and no more: by default it probes frozen
    networks, tests nothing (the cross-validation does), writes nothing to MLflow, and leaves no
    file behind.

    Args:
        sources: As for `autotransfer.fit`; None is a default set of timm's.
        source: Name or names of the sources to keep; empty keeps all.
        license: As for `autotransfer.fit`: licences that a source may have.
        strategies: Names of the strategies; empty is what the space says. By default probes of
            frozen networks, of one source and of all together.
        space: Name of a preset, or a TOML file.
        source_data: Labelled source images, for strategies that learn from them as well.
        unlabelled: Further images without labels.
        trials: Number of trials; None leaves them to `seconds`.
        seconds: Time of one fit; None is no limit.
        max_sources: Largest size of the shortlist.
        max_mb: Largest size of the result, 1e6 bytes.
        max_ms: Longest time of the result for an image, milliseconds.
        metric: What the search maximises.
        class_weights: "balanced", or how much a class counts by its name.
        margin: Gap that counts as no difference.
        refit: Whether the finalist is trained again on all images.
        ensemble: Whether finished trials may be combined.
        single: Whether the result may read one source only.
        guard: Whether the result is tested against baselines, and a baseline returned where
            transfer hurts.
        sampler: "tpe", "gp" or "random".
        executor: "inline", "processes" or "ray".
        workers: Number of trials at a time.
        ray_address: Address of a Ray cluster.
        memory: Memory that trials may plan for, GB.
        warm_start: Whether earlier fits in the same storage give first points.
        keep_searching: Whether the search uses all its time, worth it or not.
        image_shape: (h, w) or (h, w, c) of an image, where X has one row of pixels for each.
        workspace: Folder that keeps study, MLflow runs and result; None keeps nothing.
        storage: Optuna storage URL; None is SQLite in the workspace.
        tracking_uri: MLflow; None is SQLite in the workspace, and nothing without one.
        experiment: Name of the MLflow experiment.
        register: Name under which the result is registered in MLflow.
        promote: Whether the registered result gets the alias `champion` in any case.
        name: Name of the study.
        resume: Whether a study of that name is continued.
        out: Folder of the selection; None is one in the workspace.
        plugins: Plugin files.
        device: "auto", "cpu" or "cuda".
        verbose: Whether progress is printed.
        random_state: Seeds everything that is random; None and 0 are the same.

    Attributes:
        classes_: (K,) the classes, sorted.
        selection_: What the fit found; its verdict, ranking and outcomes.
        n_features_in_: Pixels of an image; only where X has one row of pixels for each.
    """

    def __init__(
        self,
        *,
        sources: Any = None,
        source: str | Sequence[str] = (),
        license: str | Sequence[str] | None = None,
        strategies: Sequence[str] = FROZEN,
        space: str = "default",
        source_data: Any = None,
        unlabelled: Any = None,
        trials: int | None = 1,
        seconds: float | None = None,
        max_sources: int | None = None,
        max_mb: float | None = None,
        max_ms: float | None = None,
        metric: str = "accuracy",
        class_weights: str | Mapping[str, float] | None = None,
        margin: float | None = None,
        refit: bool = True,
        ensemble: bool = True,
        single: bool = False,
        guard: bool = False,
        sampler: str = "tpe",
        executor: str | None = None,
        workers: int | None = None,
        ray_address: str | None = None,
        memory: float | None = None,
        warm_start: bool = False,
        keep_searching: bool = False,
        image_shape: tuple[int, ...] | None = None,
        workspace: str | Path | None = None,
        storage: str | None = None,
        tracking_uri: str | None = None,
        experiment: str = "autotransfer",
        register: str | None = None,
        promote: bool = False,
        name: str | None = None,
        resume: bool = False,
        out: str | Path | None = None,
        plugins: Sequence[str | Path] = (),
        device: str = "auto",
        verbose: bool = False,
        random_state: Any = 0,
    ) -> None:
        self.sources = sources
        self.source = source
        self.license = license
        self.strategies = strategies
        self.space = space
        self.source_data = source_data
        self.unlabelled = unlabelled
        self.trials = trials
        self.seconds = seconds
        self.max_sources = max_sources
        self.max_mb = max_mb
        self.max_ms = max_ms
        self.metric = metric
        self.class_weights = class_weights
        self.margin = margin
        self.refit = refit
        self.ensemble = ensemble
        self.single = single
        self.guard = guard
        self.sampler = sampler
        self.executor = executor
        self.workers = workers
        self.ray_address = ray_address
        self.memory = memory
        self.warm_start = warm_start
        self.keep_searching = keep_searching
        self.image_shape = image_shape
        self.workspace = workspace
        self.storage = storage
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.register = register
        self.promote = promote
        self.name = name
        self.resume = resume
        self.out = out
        self.plugins = plugins
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike | None = None) -> AutoTransferClassifier:
        """Return itself, fitted.

        Args:
            X: Images: an array (n, h, w) or (n, h, w, c), a list of paths or of PIL images, a
                dataset of torch or of Hugging Face, or (n, d) rows where `image_shape` is set.
            y: (n,) classes; None where X is a dataset that has them.

        Raises:
            AutotransferError: As for `autotransfer.fit`.
        """
        images, labels = self._images(X, reset=True), self._labels(X, y)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidTargetError(
                f"AutoTransferClassifier needs at least 2 classes in y, got {len(self.classes_)} "
                f"class ({', '.join(map(str, self.classes_))})"
            )
        names = [str(value) for value in self.classes_.tolist()]
        opened = open_target(
            (images, [names[k] for k in encoded]), minimum_per_class=1, on_bad_image=None
        ).train
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary if self.workspace is None else self.workspace)
            place.mkdir(parents=True, exist_ok=True)
            self.selection_ = fit(opened, workspace=place, **self._options())
        self._columns = [self.selection_.class_names.index(name) for name in names]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of images in any form that `fit` takes, as `classes_`."""
        check_is_fitted(self, "selection_")
        found: NDArray[np.float64] = self.selection_.predict_proba(self._images(X, reset=False))
        return found[:, self._columns]

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the (n,) most probable classes."""
        check_is_fitted(self, "selection_")
        best: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return best

    def score(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy; y may be None where X is a dataset that has its classes."""
        labels = self._labels(X, y)
        value: float = super().score(X, labels, sample_weight)
        return value

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        flat = self.image_shape is not None
        tags.input_tags.two_d_array = flat
        tags.input_tags.three_d_array = not flat
        return tags

    def _options(self) -> dict[str, Any]:
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = 0 if seed is None else check_random_state(seed).randint(LARGEST_SEED)
        off = self.workspace is None and self.tracking_uri is None
        return {
            **{name: getattr(self, name) for name in HANDED_ON},
            "strategies": tuple(self.strategies),
            "tracking_uri": OFF if off else self.tracking_uri,
            "plugins": tuple(self.plugins),
            "report": self.workspace is not None,
            "seed": int(seed),
        }

    def _images(self, X: Any, *, reset: bool) -> Any:
        """Return the images; rows of pixels are brought into their shape."""
        if self.image_shape is None:
            return X
        rows = np.asarray(X)
        shape = tuple(self.image_shape)
        if rows.ndim != 2 or rows.shape[1] != int(np.prod(shape)):
            raise InvalidTargetError(
                f"X of the shape {rows.shape}; with image_shape={shape} it must be "
                f"(n, {int(np.prod(shape))})"
            )
        if reset:
            self.n_features_in_ = rows.shape[1]
        return rows.reshape(-1, *shape)

    def _labels(self, X: Any, y: ArrayLike | None) -> NDArray[Any]:
        if y is None and is_dataset(X):
            found = read_dataset(X).classes
            if found is not None:
                return np.asarray(found)
        if y is None:
            raise InvalidTargetError(
                "AutoTransferClassifier requires y to be passed, but the target y is None"
            )
        labels: NDArray[Any] = column_or_1d(y, warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        return labels
