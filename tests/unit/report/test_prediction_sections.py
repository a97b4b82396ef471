"""Sections about answers to labelled images."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autotransfer.data.target import open_target
from autotransfer.models.calibration import calibration_error, reliability, tempered
from autotransfer.report.confusion import confusion_section, most_confused
from autotransfer.report.labelling import labelling_section, margins_of
from autotransfer.report.material import Material, Predicted
from autotransfer.report.mislabelled import label_issues, mislabelled_section
from autotransfer.report.reliability import reliability_section
from autotransfer.report.wrong import most_wrong, wrong_section

Make = Callable[..., Any]
RIGHT_AND_WRONG = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]  # labels 0, 0, 1, 1


def _tested(probabilities: Any, labels: list[str] | None = None, raw: Any = None) -> Predicted:
    rows = np.asarray(probabilities, dtype=np.float64)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (len(rows), 8, 8, 3), dtype=np.uint8)
    names = labels or ["ants"] * (len(rows) // 2) + ["bees"] * (len(rows) - len(rows) // 2)
    images = open_target((pixels, names)).train
    return Predicted("the finalist", "out-of-fold", images, rows, raw)


def _material(record: Any, tested: Predicted, **more: Any) -> Material:
    return Material(record, tested=lambda: tested, checked=lambda: tested, **more)


def test_the_most_frequent_confusions_come_first() -> None:
    assert most_confused(np.array([[1, 1], [2, 1]])) == [(1, 0, 2), (0, 1, 1)]


def test_the_matrix_shows_counts_and_the_share_that_was_found(make_record: Make) -> None:
    found = confusion_section(_material(make_record(), _tested(RIGHT_AND_WRONG)))
    assert found is not None
    assert '<td class="number right" style="--share:50%">1</td>' in found
    assert '<td class="number">0.50</td>' in found
    assert "Answers of the finalist to 4 images (out-of-fold)." in found


def test_many_classes_are_listed_by_their_confusions_only(make_record: Make) -> None:
    names = [f"class {k:02d}" for k in range(30) for _ in range(2)]
    probabilities = np.full((60, 30), 0.5 / 29)
    probabilities[np.arange(60), np.repeat(np.arange(30), 2)] = 0.5
    probabilities[0] = np.roll(probabilities[0], 1)
    record = make_record(class_names=tuple(f"class {k:02d}" for k in range(30)))
    found = confusion_section(_material(record, _tested(probabilities, names)))
    assert found is not None
    assert "matrix" not in found
    assert "class 00" in found
    assert "class 01" in found
    assert "class 02" not in found


def test_the_most_wrong_is_the_surest_of_a_wrong_answer(make_record: Make) -> None:
    tested = _tested(RIGHT_AND_WRONG)
    assert most_wrong(tested).tolist() == [1, 3]
    found = wrong_section(_material(make_record(), tested))
    assert found is not None
    assert 'alt="ants, taken for bees with 80\N{NO-BREAK SPACE}%: 1"' in found
    assert "2 of 4 images were answered wrong" in found
    assert found.count("data:image/jpeg;base64,") == 2


def test_items_that_cannot_be_shown_are_listed(make_record: Make) -> None:
    found = wrong_section(_material(make_record(), _tested(RIGHT_AND_WRONG), visible=False))
    assert found is not None
    assert "<img" not in found
    assert "taken for" in found


def test_all_right_is_said(make_record: Make) -> None:
    right = _tested([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]])
    assert "No tested image" in str(wrong_section(_material(make_record(), right)))
    assert "Every image" in str(confusion_section(_material(make_record(), right)))


def test_the_reliability_curve_has_the_calibration_error_as_its_area() -> None:
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.5, 1.0, 200)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    labels = (rng.random(200) > 0.7).astype(np.int64)
    means, right, _ = reliability(probabilities, labels)
    assert np.abs(means - right).mean() == pytest.approx(calibration_error(probabilities, labels))


def test_both_curves_are_shown_where_there_was_a_temperature(make_record: Make) -> None:
    raw = np.asarray(RIGHT_AND_WRONG)
    tested = _tested(tempered(raw, 2.0), raw=raw)
    found = str(reliability_section(_material(make_record(), tested)))
    before, after = (calibration_error(p, tested.labels) for p in (raw, tested.probabilities))
    assert f"{before:.3f} before the temperature, {after:.3f} as returned" in found
    single = str(reliability_section(_material(make_record(), _tested(raw, raw=raw))))
    assert "before the temperature" not in single


def _global_state() -> list[int]:
    state: list[int] = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    return state


def test_swapped_labels_are_found_first() -> None:
    n = 60
    truth = np.repeat([0, 1], n // 2)
    probabilities = np.where(np.eye(2)[truth] == 1, 0.95, 0.05)
    given = truth.copy()
    given[[3, 40]] = 1 - given[[3, 40]]
    state = _global_state()
    tested = _tested(probabilities, [("ants", "bees")[k] for k in given])
    labels = tested.images.class_names
    assert labels == ("ants", "bees")
    assert sorted(label_issues(tested).tolist()) == [3, 40]
    assert _global_state() == state


IN_A_NEW_PROCESS = """
import warnings
import numpy as np  # noqa: E402
import autotransfer
from autotransfer.report.material import Predicted
from autotransfer.report.mislabelled import label_issues
from autotransfer.data.target import open_target
images = open_target((np.zeros((40, 8, 8, 3), np.uint8), ["a", "b"] * 20)).train
before = list(warnings.filters)
label_issues(Predicted("finalist", "out-of-fold", images, np.full((40, 2), 0.5)))
assert not [f for f in warnings.filters if f not in before], warnings.filters
"""


def test_looking_for_label_errors_turns_off_no_warning_of_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_labels_to_check_say_what_they_look_like(make_record: Make) -> None:
    truth = np.repeat([0, 1], 20)
    probabilities = np.where(np.eye(2)[truth] == 1, 0.95, 0.05)
    names = [("ants", "bees")[k] for k in truth]
    names[5] = "bees"
    found = str(mislabelled_section(_material(make_record(), _tested(probabilities, names))))
    assert "1 of 40 labels look wrong" in found
    assert 'alt="labelled bees, looks like ants: 5"' in found


def test_without_cleanlab_the_section_says_how_to_add_it(
    make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "cleanlab" else object()
    )
    probabilities = np.tile([0.9, 0.1], (30, 1))
    material = _material(make_record(), _tested(probabilities, ["a"] * 15 + ["b"] * 15))
    assert "pip install &#39;autotransfer[labels]&#39;" in str(mislabelled_section(material))


def test_few_pictures_are_not_checked(make_record: Make) -> None:
    assert mislabelled_section(_material(make_record(), _tested(RIGHT_AND_WRONG))) is None


def test_the_margin_is_the_first_less_the_second() -> None:
    assert margins_of(np.array([[0.5, 0.3, 0.2], [0.1, 0.45, 0.45]])) == pytest.approx([0.2, 0.0])


def test_pictures_to_label_come_by_their_margin(make_record: Make) -> None:
    tested = _tested(RIGHT_AND_WRONG)
    pictures = {"images without labels": tested.images.without_labels()}
    material = Material(
        make_record(),
        images=pictures,
        unlabelled="images without labels",
        predict=lambda images: np.asarray(RIGHT_AND_WRONG)[: len(images)],
    )
    found = str(labelling_section(material))
    assert found.index("margin 0.20") < found.index("margin 0.40") < found.index("margin 0.80")
    assert labelling_section(Material(make_record(), images=pictures)) is None
