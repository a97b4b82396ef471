"""The record of a fit in its folder, whichever version wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from autotransfer.data.untrusted_files import content_of, read_object
from autotransfer.results import Json, Record, ScenarioKind

_RECORDS = TypeAdapter(Record)
# Words of version 0.1.0 and those that took their place, as keys and as values.
_KEYS = {
    "setting": "scenario",
    "described": "zero_shot",
    "handicap": "stacking_offset",
    "sharpness": "inverse_temperature",
}
_VALUES = {"described": "zero-shot", "sealed pictures": "held-out items"}
_RENAMED_VALUES = ("setting", "basis")


def record_to_json(record: Record) -> Json:
    """Return the record as plain values; what is not used has no key."""
    found = _RECORDS.dump_python(record, mode="json")
    if record.verdict.returned == "transfer" and record.members:
        found["finalist"]["members"] = []  # those of the record say the same of each part
    for outcome in (found["finalist"], *found["outcomes"]):
        if not outcome["members"]:
            del outcome["members"]
    verdict = found["verdict"]
    optional = (
        *((found, "forecast"), (found, "open_world"), (found["ranking"], "labels")),
        *((verdict, "domains"), (verdict, "units")),
        *((row, "left_out") for row in found["ranking"]["rows"]),
    )
    for holder, key in optional:
        if not holder[key]:
            del holder[key]
    if record.zero_shot is not None and not record.zero_shot.describer:
        del found["zero_shot"]["describer"]
    if record.modality == Record.modality:
        del found["modality"]
    return found


def record_in(path: Path) -> Record:
    """Return the record in a file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds none.
    """
    found = read_object(path)
    if "setting" in found:
        found = _upgraded(found)
    with content_of(path):
        record = _RECORDS.validate_python(found)
        ScenarioKind(record.scenario)
        if len(set(record.class_names)) < len(record.class_names):
            raise ValueError("a class is named twice")
    return record


def _upgraded(record: dict[str, Any]) -> Any:
    """Return a record of version 0.1.0 in the words of today."""
    found = _in_new_words(record)
    found["verdict"] = _in_new_words(found.get("verdict"))
    zero_shot = _in_new_words(found.get("zero_shot"))
    if isinstance(zero_shot, dict) and isinstance(zero_shot.get("figures"), list):
        zero_shot["figures"] = [_in_new_words(figures) for figures in zero_shot["figures"]]
    found["zero_shot"] = zero_shot
    return found


def _in_new_words(values: Any) -> Any:
    """Return an object in new words; what is no object is left for the validation to refuse."""
    if not isinstance(values, dict):
        return values
    return {
        _KEYS.get(key, key): _VALUES.get(value, value) if key in _RENAMED_VALUES else value
        for key, value in values.items()
    }
