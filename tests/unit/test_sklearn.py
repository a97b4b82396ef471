from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data
from typing_extensions import override

import autotransfer
from autotransfer import sklearn
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidTargetError
from autotransfer.plugin.testing import shapes
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.scenarios.options import Options
from autotransfer.sklearn import EXPECTED_FAILED_CHECKS, AutoTransferClassifier

SIDE = 32


def bars(per_class: int = 8, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Return (n, 32, 32, 3) bars of two directions, and their names."""
    images = shapes(2, per_class, seed=seed)
    names = np.array(["level", "upright"])
    return np.stack([np.asarray(images[i]) for i in range(len(images))]), names[images.labels]


def tiny(**options: Any) -> AutoTransferClassifier:
    return AutoTransferClassifier(sources=tiny_source(), device="cpu", **options)


def test_the_package_offers_it() -> None:
    assert autotransfer.AutoTransferClassifier is AutoTransferClassifier


def test_every_option_of_a_fit_is_one_of_the_classifier_or_has_a_reason_not_to_be() -> None:
    ours = inspect.signature(AutoTransferClassifier.__init__).parameters
    names = {field.name for field in fields(Options)}
    left_out = set(sklearn.NOT_OF_A_CLASSIFIER)
    assert left_out <= names
    assert set(ours) - {"self", "image_shape", "random_state"} == names - left_out
    fit = inspect.signature(autotransfer.fit).parameters
    otherwise = {"strategies", "trials", "guard", "verbose"}  # those of one fold
    same = names - left_out - otherwise
    assert {n: ours[n].default for n in same} == {n: fit[n].default for n in same}


def test_an_option_reaches_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}

    def recorded(_target: Any, **options: Any) -> Any:
        told.update(options)
        raise InterruptedError

    monkeypatch.setattr(sklearn, "fit", recorded)
    with pytest.raises(InterruptedError):
        tiny(source="tiny", class_weights="balanced", seconds=9, random_state=5).fit(*bars())
    assert told["source"] == "tiny"
    assert told["class_weights"] == "balanced"
    assert (told["trials"], told["seconds"], told["seed"]) == (1, 9, 5)
    assert told["report"] is False
    assert told["tracking_uri"] == "off"


def test_a_report_is_written_where_files_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(sklearn, "fit", lambda _target, **options: told.update(options))
    with pytest.raises(AttributeError):  # nothing was fitted
        tiny(workspace=tmp_path).fit(*bars())
    assert told["report"] is True


def test_it_predicts_the_classes_that_it_was_given_and_leaves_no_file(tmp_path: Path) -> None:
    X, y = bars()
    fitted = tiny().fit(X, y)
    before = set(tmp_path.iterdir())
    assert list(fitted.classes_) == ["level", "upright"]
    assert fitted.score(*bars(seed=9)) >= 0.9
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (16, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert {path.name for path in before} <= {"cache"}
    assert not hasattr(fitted, "n_features_in_")


def test_the_probes_of_all_sources_put_together_compete() -> None:
    sources = [tiny_source("one", seed=0), tiny_source("two", seed=1)]
    fitted = AutoTransferClassifier(sources=sources, device="cpu").fit(*bars())
    tried = {outcome.strategy for outcome in fitted.selection_.outcomes}
    assert tried == set(sklearn.FROZEN)


def test_numbers_as_classes_come_back_as_numbers_in_their_order() -> None:
    X, y = bars()
    labels = np.where(y == "level", 10, 9)
    fitted = tiny().fit(X, labels)
    assert fitted.classes_.tolist() == [9, 10]
    assert fitted.predict(X).dtype == labels.dtype
    assert (fitted.predict(X) == labels).mean() >= 0.9


def test_lists_of_paths_and_of_pil_images_are_pictures(tmp_path: Path) -> None:
    X, y = bars(5)
    pictures = [Image.fromarray(x) for x in X]
    paths = [tmp_path / f"{i}.png" for i in range(len(X))]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    expected = tiny().fit(X, y).predict_proba(X)
    for form in (pictures, paths, np.array(list(map(str, paths)))):
        found = tiny().fit(form, y).predict_proba(form)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_it_is_cloned_and_cross_validated_in_a_pipeline(tmp_path: Path) -> None:
    X, y = bars()
    turned = make_pipeline(FunctionTransformer(np.rot90, kw_args={"axes": (1, 2)}), tiny())
    values = cross_val_score(clone(turned), X, y, cv=2)
    assert values.min() >= 0.8
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
    changed = tiny().set_params(metric="log_loss", trials=3)
    assert changed.get_params()["metric"] == "log_loss"


def test_rows_of_pixels_are_brought_into_their_shape() -> None:
    X, y = bars(5)
    rows = X.reshape(len(X), -1)
    fitted = tiny(image_shape=(SIDE, SIDE, 3)).fit(rows, y)
    assert fitted.n_features_in_ == SIDE * SIDE * 3
    with pytest.raises(InvalidTargetError, match=r"must be \(n, 3072\)"):
        fitted.predict(rows[:, :10])


def test_a_pickled_one_predicts_the_same_without_its_sources() -> None:
    X, y = bars(5)
    fitted = tiny().fit(X, y)
    expected = fitted.predict_proba(X)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own bytes
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-7)


def test_a_workspace_keeps_the_selection(tmp_path: Path) -> None:
    X, y = bars(5)
    place = tmp_path / "kept"
    fitted = tiny(workspace=place, tracking_uri="off").fit(X, y)
    assert autotransfer.load(place / "images-1").class_names == ("level", "upright")
    assert fitted.selection_.record.run_id is None
    assert fitted.selection_.verdict.basis == "nothing"


def test_before_it_is_fitted_it_says_so() -> None:
    with pytest.raises(NotFittedError):
        tiny().predict(bars(2)[0])


class Drawn(AutoTransferClassifier):
    """Draws each row of a table as an image, so that scikit-learn's own checks have images.

    Feature j becomes the brightness of one block, on a curve that is the same for every row.
    """

    @override
    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags

    @override
    def _images(self, X: Any, *, reset: bool) -> Any:
        rows = np.asarray(validate_data(self, X, reset=reset), dtype=float)
        blocks = int(np.ceil(np.sqrt(rows.shape[1])))
        padded = np.zeros((len(rows), blocks * blocks))
        padded[:, : rows.shape[1]] = 1 / (1 + np.exp(-np.clip(rows, -30, 30)))
        grid = padded.reshape(len(rows), blocks, blocks)
        grey = np.kron(grid, np.ones((1, -(-8 // blocks), -(-8 // blocks))))
        return np.repeat(np.round(255 * grey).astype(np.uint8)[..., None], 3, axis=-1)


def expected_failures(_estimator: Any) -> dict[str, str]:
    return dict(EXPECTED_FAILED_CHECKS)


class Nearest:
    """Stands in for a selection where only the interface is checked: the nearest class mean."""

    def __init__(self, images: ImageSet) -> None:
        self.class_names = images.class_names
        rows = self._rows(np.stack([np.asarray(images[i]) for i in range(len(images))]))
        classes = range(len(self.class_names))
        self._means = np.stack([rows[images.labels == k].mean(axis=0) for k in classes])

    def predict_proba(self, pictures: Any) -> NDArray[np.float64]:
        rows = self._rows(pictures)
        away = np.linalg.norm(rows[:, None] - self._means[None], axis=2)
        shares: NDArray[np.float64] = softmax(-8 * away, axis=1)
        return shares

    @staticmethod
    def _rows(pictures: Any) -> NDArray[np.float64]:
        pixels = np.asarray(pictures, dtype=np.float64)
        rows: NDArray[np.float64] = pixels.reshape(len(pixels), -1) / 255
        return rows


checks = parametrize_with_checks(
    [Drawn(sources=tiny_source(), device="cpu")], expected_failed_checks=expected_failures
)


def name_of(check: Any) -> str:
    return str(getattr(check, "func", check).__name__)


@checks  # type: ignore[untyped-decorator]
def test_scikit_learns_own_checks_hold_for_the_interface(
    estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sklearn, "fit", lambda images, **_: Nearest(images))
    check(estimator)


ALIKE = (  # with real fits; the interface is checked above for these as well
    "check_classifiers_classes",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_n_features_in",
)


LEARNT = (  # what these look at is learnt; the others look at the interface
    "check_classifier_data_not_an_array",
    "check_classifiers_one_label",
    "check_classifiers_train",
    "check_decision_proba_consistency",
    "check_dict_unchanged",
    "check_estimators_pickle",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_pipeline_consistency",
)


def on_pictures() -> Iterator[ParameterSet]:
    """Yield the checks that are tried with real fits; of one with variants, the first at once."""
    seen = set()
    for number, pair in enumerate(checks.mark.args[1]):
        name = name_of(pair[1])
        if not hasattr(pair, "marks") and name not in ALIKE:
            soon = name in LEARNT and name not in seen
            mark = pytest.mark.slow if soon else pytest.mark.nightly
            yield pytest.param(*pair, marks=mark, id=f"{name}-{number}")
        seen.add(name)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("estimator", "check"), list(on_pictures()))
def test_scikit_learns_own_checks_pass_on_pictures(estimator: Any, check: Any) -> None:
    check(estimator)


def test_each_check_that_is_named_is_one_of_scikit_learn() -> None:
    names = {name_of(pair[1]) for pair in checks.mark.args[1] if not hasattr(pair, "marks")}
    assert names >= {*ALIKE, *LEARNT}
