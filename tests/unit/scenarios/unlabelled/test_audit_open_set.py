"""What audit labels say of the images that are rejected as none of the classes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.plugin.testing import shapes
from autotransfer.results import Decision, OpenWorld, UnknownImages, Verdict
from autotransfer.scenarios.unlabelled.audit import Draw, draw, estimate
from autotransfer.scenarios.unlabelled.audit_open_set import UNKNOWN, audit_open_set
from autotransfer.scenarios.unlabelled.audit_step import with_audit
from autotransfer.scenarios.unlabelled.audit_table import draw_of, read_table, write_table
from autotransfer.scenarios.unlabelled.open_world import with_open_set_audit

N = 400


Ints: TypeAlias = NDArray[np.int64]


def _answered(seed: int) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """Truth (a quarter unknown), two predictors, and a rejection that is mostly right."""
    generator = np.random.default_rng(seed)
    truth = np.where(generator.random(N) < 0.25, UNKNOWN, generator.integers(0, 3, N))
    finalist = np.where(generator.random(N) < 0.8, truth, (truth + 1) % 3) % 3
    baseline = np.where(generator.random(N) < 0.6, truth, (truth + 2) % 3) % 3
    rejected = generator.random(N) < np.where(truth == UNKNOWN, 0.8, 0.05)
    return truth, finalist, baseline, rejected


def _truly(
    truth: NDArray[np.int64], answers: NDArray[np.int64], rejected: NDArray[np.bool_]
) -> tuple[float, float, float]:
    known = truth != UNKNOWN
    accuracy = float(((answers == truth) & ~rejected)[known].mean())
    recall = float(rejected[~known].mean())
    return accuracy, recall, 2 * accuracy * recall / (accuracy + recall)


def test_a_fifth_of_the_labels_is_asked_for_among_the_rejected() -> None:
    _, finalist, baseline, rejected = _answered(0)
    drawn = draw(finalist, baseline, 50, seed=1, rejected=rejected)
    assert (len(drawn.differing), len(drawn.agreeing), len(drawn.rejected)) == (32, 8, 10)
    assert len(set(drawn.positions)) == 50
    assert all(rejected[i] for i in drawn.rejected)
    assert not any(rejected[i] for i in (*drawn.differing, *drawn.agreeing))
    assert drawn.num_images + drawn.num_rejected == N
    assert drawn.num_differing == ((finalist != baseline) & ~rejected).sum()


def test_all_labels_give_the_three_figures_and_the_gap_exactly() -> None:
    truth, finalist, baseline, rejected = _answered(1)
    differ = np.flatnonzero((finalist != baseline) & ~rejected)
    agree = np.flatnonzero((finalist == baseline) & ~rejected)
    out = np.flatnonzero(rejected)
    drawn = Draw(tuple(differ), tuple(agree), len(differ), len(differ) + len(agree), tuple(out),
                 len(out))  # fmt: skip
    labels = {i: int(truth[i]) for i in range(N)}
    found = audit_open_set(drawn, labels, finalist, seed=0)
    assert found is not None
    told = (found.known_accuracy.value, found.recall.value, found.harmonic.value)
    assert told == pytest.approx(_truly(truth, finalist, rejected), abs=1e-6)
    gap = estimate(drawn, labels, finalist, baseline).gap
    right = [(answers == truth)[~rejected].mean() for answers in (finalist, baseline)]
    assert gap.value == pytest.approx(right[0] - right[1])


def test_intervals_hold_the_figures_about_nine_times_out_of_ten() -> None:
    held = []
    for seed in range(60):
        truth, finalist, baseline, rejected = _answered(seed)
        drawn = draw(finalist, baseline, 60, seed=seed, rejected=rejected)
        labels = {i: int(truth[i]) for i in drawn.positions}
        found = audit_open_set(drawn, labels, finalist, seed=0)
        assert found is not None
        right = _truly(truth, finalist, rejected)
        told = (found.known_accuracy, found.recall, found.harmonic)
        held += [one.low <= value <= one.high for one, value in zip(told, right, strict=True)]
    assert 0.84 <= np.mean(held) <= 0.97


def test_without_rejected_images_nothing_is_said_and_an_older_plan_is_read() -> None:
    older = {"draw": {"differing": [1], "agreeing": [2], "num_differing": 3, "num_images": 9}}
    drawn = draw_of(older)
    assert (drawn.rejected, drawn.num_rejected) == ((), 0)
    assert audit_open_set(drawn, {1: 0, 2: 0}, np.zeros(9, np.int64), seed=0) is None


def test_an_image_of_no_class_is_called_none_of_these_in_the_table(tmp_path: Path) -> None:
    images, path = shapes(2, 4), tmp_path / "audit.csv"
    plan = {"draw": asdict(Draw((1,), (3,), 2, 7, (6,), 1))}
    write_table(path, plan, images, seed=0)
    head, *rows = path.read_text().split()
    path.write_text("\n".join([head, *(f"{row}None of these" for row in rows)]))
    assert set(read_table(path, plan, images, images.class_names).values()) == {UNKNOWN}


def test_a_filled_table_adds_the_three_figures_to_the_verdict_and_the_record(
    tmp_path: Path,
) -> None:
    images = shapes(2, 20)
    truth = images.labels
    finalist, baseline = truth.copy(), truth.copy()
    baseline[:20] = 1 - truth[:20]
    rejected = np.arange(40) >= 30
    kept: dict[str, Any] = {}
    choice: Any = SimpleNamespace(
        finalist=SimpleNamespace(number=1, answers=finalist),
        baseline=SimpleNamespace(number=0, answers=baseline),
    )
    run: Any = SimpleNamespace(
        options=SimpleNamespace(audit_labels="20", seed=0, margin=None, say=lambda _: None),
        place=SimpleNamespace(folder=tmp_path, name="mine"),
        clock=SimpleNamespace(stopped=False),
        study=SimpleNamespace(recall=kept.get, remember=kept.__setitem__),
    )
    verdict = Verdict(Decision.UNVERIFIED, "validators", "unverified", "baseline")

    def step() -> tuple[Verdict, Any]:
        names = images.class_names
        return with_audit(verdict, choice, images, names, run, rejected=lambda: rejected)

    assert step() == (verdict, None)
    table = tmp_path / "audit.csv"
    head, *rows = table.read_text().split()
    assert len(rows) == 20
    place = {name: i for i, name in enumerate(images.names)}
    filled = []
    for row in rows:
        i = place[row.rstrip(",")]
        filled.append(f"{row}{'None of these' if rejected[i] else images.class_names[truth[i]]}")
    table.write_text("\n".join([head, *filled]))
    run.options.audit_labels = str(table)
    found, audit = step()
    assert found.decision is Decision.POSITIVE
    assert "that are not rejected" in found.sentence
    assert "known accuracy 100 %" in found.remarks[0]
    seen = with_open_set_audit(OpenWorld(unknown=UnknownImages(None)), audit)
    assert seen is not None
    assert seen.unknown is not None
    assert seen.unknown.recall is not None
    assert seen.unknown.recall.value == pytest.approx(1.0)
    assert with_open_set_audit(None, audit) is None
