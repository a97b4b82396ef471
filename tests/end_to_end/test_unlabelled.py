from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray
from typing_extensions import override

import autotransfer
from autotransfer.cli import run
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_images, open_target
from autotransfer.errors import (
    DataWarning,
    InvalidOptionError,
    InvalidTargetError,
    NoCandidateError,
    TrackingWarning,
)
from autotransfer.plugin.testing import shapes
from autotransfer.results import Decision, State
from autotransfer.tracking.sync import sync

SPACE = """
description = "Few steps"
[adabn]
effort = {low = 0.02, high = 0.1, default = 0.02}
[cdan]
effort = {low = 0.02, high = 0.1, default = 0.02}
[dann]
effort = {low = 0.02, high = 0.1, default = 0.02}
[deep-coral]
effort = {low = 0.02, high = 0.1, default = 0.02}
[mcc]
effort = {low = 0.02, high = 0.1, default = 0.02}
[shot]
effort = {low = 0.02, high = 0.1, default = 0.02}
[source-only]
effort = {low = 0.02, high = 0.1, default = 0.1}
"""


def _pixels(images: ImageSet) -> NDArray[np.uint8]:
    return np.stack([np.asarray(images[i]) for i in range(len(images))])


@pytest.fixture
def source() -> tuple[NDArray[np.uint8], list[str]]:
    images = shapes(3, 30, seed=1)
    return _pixels(images), [images.class_names[label] for label in images.labels]


@pytest.fixture
def target() -> NDArray[np.uint8]:
    """The same directions, darker."""
    return (_pixels(shapes(3, 40, seed=2)) // 2).astype(np.uint8)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SPACE)
    return path


def _fit(target: Any, source: Any, space: Path, **options: Any) -> autotransfer.Selection:
    defaults = {"sources": "small_cnn", "budget": "8 trials", "space": str(space)}
    return autotransfer.fit(target, source_data=source, **{**defaults, **options})


class Poisoned(ImageSet):
    """Labelled images whose labels explode when they are read."""

    @property
    @override
    def labels(self) -> NoReturn:
        raise AssertionError("somebody read a target label")

    @override
    def subset(self, indices: Any) -> Poisoned:
        plain = ImageSet.subset(self.without_labels(), indices)
        return Poisoned(plain._reader, plain._indices, [0] * len(plain), ["a", "b"])


def test_a_fit_reads_no_target_label_and_its_verdict_is_unverified(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    plain = shapes(3, 40, seed=2)
    poisoned = Poisoned(plain._reader, plain._indices, plain._labels, plain.class_names)
    selection = _fit(poisoned, source, space, scenario="unlabelled", seed=3)
    verdict = selection.verdict
    assert verdict.decision is Decision.UNVERIFIED
    assert (verdict.test, verdict.gap, verdict.returned_test) == (None, None, None)
    assert verdict.basis == "validators"
    assert verdict.returned in ("transfer", "baseline")
    assert "no target label" in verdict.sentence
    tried = {outcome.strategy for outcome in selection.outcomes}
    assert tried >= {"source-only", "adabn", "cdan", "dann", "deep-coral", "mcc", "shot"}
    assert all(outcome.state is State.COMPLETE for outcome in selection.outcomes)
    assert {"infomax", "circular", "mixval", "snd"} <= set(selection.best.validators)
    again = autotransfer.load(selection.record.model)
    np.testing.assert_allclose(
        again.predict_proba(target), selection.predict_proba(target), atol=1e-6
    )


def test_the_command_prints_nulls_where_labels_would_be_needed(
    tmp_path: Path,
    target: NDArray[np.uint8],
    source: Any,
    space: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.savez(tmp_path / "target.npz", x=target)
    np.savez(tmp_path / "source.npz", x=source[0], y=source[1])
    arguments = [
        *("fit", str(tmp_path / "target.npz"), "--source-data", str(tmp_path / "source.npz")),
        *("--sources", "small_cnn", "--space", str(space), "--trials", "2", "--json"),
        *("--strategy", "source-only", "--strategy", "adabn", "--out", "found"),
    ]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "unverified"
    assert found["basis"] == "validators"
    assert [found[key] for key in ("test", "gap", "gap_reference", "returned_test")] == [None] * 4
    assert found["baselines"] == [{"name": "source-only", "test": None}]
    assert found["trials"]["complete"] == 2
    assert found["run_id"]
    assert run(["show", "found"]) == 0
    assert "no target label was seen" in capsys.readouterr().out


def test_a_target_without_labels_needs_source_pictures(target: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidTargetError, match="--source-data"):
        autotransfer.fit(target, scenario="unlabelled", sources="small_cnn")


def test_source_pictures_without_labels_are_refused(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    with pytest.raises(InvalidTargetError, match="need labels"):
        _fit(target, source[0], space)


def test_folders_that_share_no_class_name_are_refused(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    named = (target, ["cat" if i % 2 else "dog" for i in range(len(target))])
    with pytest.raises(InvalidTargetError, match="share no name"):
        _fit(ImageSet(*_parts(named)), source, space, scenario="unlabelled")


def test_a_class_without_a_folder_and_few_pictures_are_warned_of(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    named = (target[:24], ["direction 0" if i % 2 else "direction 1" for i in range(24)])
    with (
        pytest.warns(DataWarning, match="direction 2"),
        pytest.warns(DataWarning, match="24 target images for 3 classes are few"),
    ):
        _fit(
            ImageSet(*_parts(named)),
            source,
            space,
            scenario="unlabelled",
            strategies=["source-only"],
            budget="1 trials",
        )


def test_nine_pictures_are_too_few(target: NDArray[np.uint8], source: Any, space: Path) -> None:
    with pytest.raises(InvalidTargetError, match="at least 10"):
        _fit(target[:9], source, space)


def test_an_adapting_method_alone_has_nothing_to_be_compared_with(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    with pytest.raises(NoCandidateError, match="source-only"):
        _fit(target, source, space, strategies=["dann"])


def test_gray_source_pictures_of_another_size_are_used(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    gray = source[0][:, ::2, ::2].mean(axis=3).astype(np.uint8)
    selection = _fit(
        target, (gray, source[1]), space, strategies=["source-only"], budget="1 trials"
    )
    assert selection.predict_proba(target).shape == (len(target), 3)


def _parts(named: tuple[NDArray[np.uint8], list[str]]) -> tuple[Any, Any, Any, Any]:
    """Return the arguments of an `ImageSet` of labelled images."""
    images = open_target(named, minimum_per_class=1).train
    return images._reader, images._indices, images._labels, images.class_names


def test_a_filled_table_turns_the_verdict_into_a_tested_one(
    tmp_path: Path, target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    options: dict[str, Any] = {
        "strategies": ["source-only", "mcc"],
        "budget": "2 trials",
        "name": "asked",
    }
    asked = _fit(target, source, space, audit_labels=12, **options)
    assert asked.verdict.decision is Decision.UNVERIFIED
    table = Path(asked.record.model) / "audit.csv"
    rows = table.read_text().split()
    assert rows[0] == "image,label"
    assert 10 <= len(rows) - 1 <= 12
    truth = shapes(3, 40, seed=2)
    with pytest.raises(InvalidOptionError, match="have no label"):
        _fit(target, source, space, audit_labels=str(table), resume=True, **options)
    filled = [rows[0]] + [
        f"{row.rstrip(',')},{truth.class_names[truth.labels[int(row.rstrip(','))]]}"
        for row in rows[1:]
    ]
    table.write_text("\n".join(filled))
    selection = _fit(target, source, space, audit_labels=str(table), resume=True, **options)
    verdict = selection.verdict
    assert verdict.basis == "audit labels"
    assert verdict.decision is not Decision.UNVERIFIED
    assert verdict.gap is not None
    assert verdict.gap.low <= verdict.gap.value <= verdict.gap.high
    assert selection.record.provenance["returned"].startswith("trial")
    assert [o.number for o in selection.outcomes] == [o.number for o in asked.outcomes]


def test_audit_labels_need_a_target_without_labels(source: Any) -> None:
    with pytest.raises(InvalidOptionError, match="without labels"):
        autotransfer.fit(source, audit_labels=5, sources="small_cnn")


def test_a_way_through_intermediate_pictures_is_compared_with_the_direct_hop(
    tmp_path: Path, source: Any, target: NDArray[np.uint8]
) -> None:
    space = tmp_path / "short.toml"
    space.write_text(
        "".join(
            f"[{name}]\neffort = {{low = 0.02, high = 0.1, default = 0.02}}\n"
            for name in ("source-only", "direct-self-training", "gradual-self-training")
        )
    )
    darker = (target // 4).astype(np.uint8)
    half_way = np.concatenate(
        [_pixels(shapes(3, 30, seed=8)), _pixels(shapes(3, 30, seed=9)) // 8]
    )
    strategies = ["source-only", "direct-self-training", "gradual-self-training"]
    selection = _fit(
        darker, source, space, through=[half_way], strategies=strategies, budget="3 trials"
    )
    ways = {outcome.strategy: outcome.through for outcome in selection.outcomes}
    assert ways == {
        "source-only": (),
        "direct-self-training": (),
        "gradual-self-training": ("arrays",),
    }
    assert "source -> arrays -> target" in selection.record.provenance["through"]


def test_a_way_that_is_no_shorter_is_left_out_with_its_reason(
    source: Any, target: NDArray[np.uint8], space: Path
) -> None:
    near = (_pixels(shapes(3, 10, seed=7)) // 2).astype(np.uint8)
    selection = _fit(
        target, source, space, through=[255 - near], strategies=["source-only"], budget="1 trials"
    )
    reasons = [s.reason for s in selection.record.skipped if s.source.startswith("through")]
    assert len(reasons) == 1
    assert "the direct hop is taken" in reasons[0]


def test_intermediate_pictures_are_for_targets_without_labels(source: Any) -> None:
    with pytest.raises(InvalidOptionError, match="without labels"):
        autotransfer.fit(source, through=["x"], sources="small_cnn")


def test_the_saved_predictor_knows_every_picture_it_saw(
    target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    selection = _fit(target, source, space, strategies=["source-only"], budget="1 trials")
    shown = {*open_images(target).digests, *open_images(source[0]).digests}
    assert set(autotransfer.load(selection.record.model).kept.seen) == shown


def test_what_mlflow_has_missed_of_a_fit_without_labels_is_written_later(
    tmp_path: Path, target: NDArray[np.uint8], source: Any, space: Path
) -> None:
    nowhere = f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'mlflow.db'}"
    with pytest.warns(TrackingWarning):
        _fit(
            target,
            source,
            space,
            strategies=["source-only"],
            budget="1 trials",
            name="missed",
            tracking_uri=nowhere,
        )
    there = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (synced,) = sync(tracking_uri=there)
    assert (synced.name, synced.trials, synced.finished) == ("missed", 1, True)
    assert synced.run_id is not None
    parameters = MlflowClient(there).get_run(synced.run_id).data.params
    assert parameters["scenario"] == "unlabelled"
    assert sync(tracking_uri=there) == [synced]
