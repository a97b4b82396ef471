from __future__ import annotations

from pathlib import Path

import pytest

from autotransfer.errors import DataWarning
from autotransfer.results import Outcome, State
from autotransfer.transferability.ranking.earlier_targets import mean_places, record_places
from tests.unit.transferability.ranking.samples import source

A, B, C = (source(name, architecture=f"resnet{i}") for i, name in enumerate("abc"))


def _outcome(name: str, value: float | None) -> Outcome:
    state = State.COMPLETE if value is not None else State.FAILED
    return Outcome(0, name, "fine-tune", {}, state, value)


def test_the_best_score_of_each_source_decides_its_place(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    outcomes = [_outcome("a", 0.5), _outcome("a", 0.9), _outcome("b", 0.7), _outcome("c", 0.6)]
    record_places(file, "first", [A, B, C], outcomes)
    record_places(file, "second", [A, B], [_outcome("a", 0.1), _outcome("b", 0.2)])
    found = mean_places(file, without="a third")
    assert found == {A.fingerprint: 0.5, B.fingerprint: 0.25, C.fingerprint: 1.0}


def test_a_target_does_not_inform_itself_and_is_recorded_once(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    record_places(file, "first", [A, B], [_outcome("a", 0.1), _outcome("b", 0.2)])
    record_places(file, "first", [A, B], [_outcome("a", 0.3), _outcome("b", 0.2)])
    assert mean_places(file, without="first") == {}
    assert mean_places(file, without="")[A.fingerprint] == 0.0


def test_one_source_or_no_score_leaves_no_record(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    record_places(file, "first", [A, B], [_outcome("a", 0.1), _outcome("b", None)])
    assert not file.exists()
    assert mean_places(file, without="") == {}


def test_a_record_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="could not be written"):
        record_places(
            tmp_path / "missing" / "autotransfer.db",
            "first",
            [A, B],
            [_outcome("a", 0.1), _outcome("b", 0.2)],
        )


def test_a_file_of_an_older_version_has_no_record(tmp_path: Path) -> None:
    file = tmp_path / "autotransfer.db"
    file.write_bytes(b"")
    assert mean_places(file, without="") == {}
