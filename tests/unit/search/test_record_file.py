"""Records of version 0.1.0 are read in today's words; what is no record is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import autotransfer
from autotransfer.errors import InvalidOptionError
from autotransfer.forecasts import Range
from autotransfer.results import Interval, OpenWorld, UnknownImages
from autotransfer.search.record_file import record_in, record_to_json
from tests.unit.conftest import MakeRecord


def _older(record: Any) -> dict[str, Any]:
    """The same record as version 0.1.0 wrote it."""
    found: dict[str, Any] = record_to_json(record)
    found["setting"] = found.pop("scenario")
    found["described"] = found.pop("zero_shot")
    found["verdict"]["basis"] = "sealed pictures"
    return found


def _write(folder: Path, content: Any) -> Path:
    path = folder / "selection.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_what_is_written_is_read(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    assert record_in(_write(tmp_path, record_to_json(record))) == record


def test_what_was_seen_in_a_target_is_kept_and_no_key_is_there_without_it(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    assert "open_world" not in record_to_json(make_record())
    seen = OpenWorld((Interval(0.7, 0.6, 0.8, 90), Interval(0.3, 0.2, 0.4, 90)), ("b",))
    record = make_record(open_world=seen)
    assert record_in(_write(tmp_path, record_to_json(record))).open_world == seen
    unknown = replace(seen, unknown=UnknownImages(Range(0.1, 0.0, 0.2), 3, 90))
    record = make_record(open_world=unknown)
    assert record_in(_write(tmp_path, record_to_json(record))).open_world == unknown


def test_an_older_record_is_read_in_the_words_of_today(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    record = make_record()
    assert record_in(_write(tmp_path, _older(record))) == record


def test_an_older_record_may_lack_what_came_later(make_record: MakeRecord, tmp_path: Path) -> None:
    record, older = make_record(), _older(make_record())
    for name in ("described", "members", "forced"):
        del older[name]
    assert record_in(_write(tmp_path, older)) == record


@pytest.mark.parametrize(
    "content", [5, [], {}, {"setting": "labelled"}, {"setting": "labelled", "verdict": 3}]
)
def test_what_is_no_record_is_refused_in_words(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"selection\.json"):
        record_in(_write(tmp_path, content))
    with pytest.raises(InvalidOptionError, match="holds a selection that cannot be read"):
        autotransfer.load(tmp_path)
