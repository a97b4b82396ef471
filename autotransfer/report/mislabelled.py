"""Images whose label is likely to be wrong, as confident learning finds them."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from autotransfer.report.answered import shown_answers, who_and_where
from autotransfer.report.markup import joined, paragraph
from autotransfer.report.material import Material, Predicted

FEWEST = 20  # images; with fewer the shares that it estimates mean nothing
_INSTALL = (
    "Not checked: this needs cleanlab, which is not installed. "
    "pip install 'autotransfer[labels]' adds it for the next fit."
)


def mislabelled_section(material: Material) -> Markup | None:
    """Return the likely label errors, the least likely label first.

    References:
        Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset
        Labels, JAIR 70, 2021, arXiv:1911.00068; by cleanlab.
    """
    checked = material.checked()
    if checked is None or len(checked.images) < FEWEST:
        return None
    if importlib.util.find_spec("cleanlab") is None:
        return paragraph(_INSTALL)
    issues = label_issues(checked)
    if not len(issues):
        told = "No label looks wrong to a predictor that did not learn from it."
        return joined([who_and_where(checked), paragraph(told)])
    told = (
        f"{len(issues)} of {len(checked.images)} labels look wrong to a predictor that did not "
        "learn from them. Look before you change anything: a hard image looks the same to it, "
        "and a weak predictor names many."
    )
    shown = shown_answers(
        material, checked, issues,
        lines=(Markup("labelled {label} ({doubted})"), Markup("looks like <b>{answer}</b>")),
        alt="labelled {label}, looks like {answer}",
        head=("item", "labelled"),
    )  # fmt: skip
    return joined([who_and_where(checked), paragraph(told), shown])


def label_issues(checked: Predicted) -> NDArray[np.int64]:
    """Return positions of labels that are likely to be wrong, the least likely label first."""
    present = np.unique(checked.labels)
    if len(present) < 2:
        return np.empty(0, dtype=np.int64)
    with warnings.catch_warnings():  # importing it turns off every warning of the process
        from cleanlab.filter import find_label_issues
    shares = checked.probabilities[:, present]
    sums = np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found = find_label_issues(
        np.searchsorted(present, checked.labels),
        shares / sums,
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return np.asarray(found, dtype=np.int64)
